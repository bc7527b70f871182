"""Numerical kernels for CPUs, compiled by Numba: neurons, normalisation by channel, pooling."""
