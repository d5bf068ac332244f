"""What Jenkins reads: test cases, a badge, numbers over builds."""
