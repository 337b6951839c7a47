"""Models out to other systems: JAX functions, StableHLO, ONNX."""
