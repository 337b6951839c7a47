"""Ops that only old graphs hold: TensorFlow 1.15 reads them, and has other ones for new graphs."""
