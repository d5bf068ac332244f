"""Known loads that verify the measurements on an agent."""
