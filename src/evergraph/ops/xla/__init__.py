"""Kernels that need more of JAX than its array functions. Imported only where a stage is traced."""
