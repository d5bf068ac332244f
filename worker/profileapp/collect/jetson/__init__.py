"""A Jetson as its kernel's files and tegrastats tell it: metrics `system`, `gpu-summary`, and power."""
