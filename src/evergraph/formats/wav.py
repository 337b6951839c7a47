"""Writing WAV sound: what an audio summary holds."""

from __future__ import annotations

import struct

import numpy as np


def encode(samples: np.ndarray, sample_rate: int) -> bytes:
    """The WAV file, 16 bits a sample, of float samples between -1 and 1; shape [frames, channels]."""
    _, channels = samples.shape
    scaled = samples.astype(np.float32) * np.float32(1 << 15)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # halves away from zero, as C's roundf
    data = np.clip(rounded, -(1 << 15), (1 << 15) - 1).astype("<i2").tobytes()
    block = 2 * channels
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16)
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * block, block, 16)
    return head + form + struct.pack("<4sI", b"data", len(data)) + data
