"""Sources for a Jetson, from its kernel's files and tegrastats: metrics `system`, `gpu-summary` and `energy`."""
