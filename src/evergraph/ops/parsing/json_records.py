"""`tf.decode_json_example`: an `Example` written as JSON, as the bytes that the parsing ops read."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import array_of, listed


@public("decode_json_example", "io.decode_json_example")
@op("DecodeJSONExample", host=True, differentiable=False, shape=unchanged_shape)
def decode_json_example(xp: Any, json_examples: Any) -> Any:
    """Serialized `Example`s from ones written as JSON, in the JSON form of protocol messages."""
    return array_of([_serialized(s) for s in listed(json_examples)], np.shape(json_examples))


def _serialized(data: bytes) -> bytes:
    from google.protobuf import json_format

    from evergraph.formats import messages

    try:
        message = json_format.Parse(data.decode("utf-8"), messages.Example())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise kernel_error(f"Error while parsing JSON: {error}") from None
    return message.SerializeToString(deterministic=True)


__all__ = ["decode_json_example"]
