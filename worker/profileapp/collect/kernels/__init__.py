"""Tables of GPU kernels, copies and CUDA calls, from nsys and nvprof."""
