"""Signals: windows, frames, short-time Fourier transforms, mel scales, and sound: `tf.signal` and `tf.audio`."""
