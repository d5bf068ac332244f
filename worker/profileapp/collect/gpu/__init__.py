"""GPU memory and load, from CUDA, nvmap and NVML: metrics `gpu-memory` and `gpu-summary`."""
