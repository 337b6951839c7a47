"""Inference graphs as ONNX models."""
