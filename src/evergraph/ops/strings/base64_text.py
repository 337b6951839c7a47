"""Bytes as text of letters, digits, "-" and "_": base64 in its form for file names and addresses."""

from __future__ import annotations

import base64
import re
from typing import Any

from evergraph.framework.api import public
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import mapped

_ALPHABET = re.compile(rb"[A-Za-z0-9_-]*")


@public("encode_base64", "io.encode_base64")
@op("EncodeBase64", host=True, differentiable=False, shape=unchanged_shape)
def encode_base64(xp: Any, input: Any, *, pad: bool) -> Any:
    """Write every string in base64; with `pad` its length becomes a multiple of four by "=" at the end."""

    def encoded(s: bytes) -> bytes:
        found = base64.urlsafe_b64encode(s)
        return found if pad else found.rstrip(b"=")

    return mapped(encoded, input)


@public("decode_base64", "io.decode_base64")
@op("DecodeBase64", host=True, differentiable=False, shape=unchanged_shape)
def decode_base64(xp: Any, input: Any) -> Any:
    """Read every string as base64, padded or not."""
    return mapped(_decoded, input)


def _decoded(s: bytes) -> bytes:
    digits = s
    if len(s) % 4 == 0 and s.endswith(b"="):
        digits = s[:-2] if s.endswith(b"==") else s[:-1]
    if len(digits) % 4 == 1:
        raise kernel_error("Base64 string length cannot be 1 modulo 4.")
    if not _ALPHABET.fullmatch(digits):
        raise kernel_error("Invalid character found in base64.")
    return base64.urlsafe_b64decode(digits + b"=" * (-len(digits) % 4))


__all__ = ["decode_base64", "encode_base64"]
