"""Reports for Jenkins: test cases, a badge, trends over builds."""
