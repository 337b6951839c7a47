"""`tf.print` and `tf.Print`: tensors shown while a graph runs."""

from __future__ import annotations

import logging
import os
import pprint
import random
import sys
import threading
from typing import Any

import numpy as np

from evergraph.framework import log, nest
from evergraph.framework.api import public
from evergraph.framework.convert import is_tensor_like
from evergraph.framework.dtypes import DType, string
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running
from evergraph.ops.strings.formatting import _element, string_format


def summary(value: Any, dtype: DType, limit: int) -> bytes:
    """The first `limit` elements of an array (all, if it is negative), as `tf.Print` shows them: `[1 2][3...]...`."""
    array = np.asarray(value)
    limit = array.size if limit < 0 else min(limit, array.size)
    flat = array.reshape(-1)
    words = [_word(flat[i], dtype) for i in range(limit)]
    if not (dtype.is_bool or dtype.is_integer or dtype.is_floating or dtype.is_quantized or dtype is string):
        return b" ".join(words) + (b"..." if array.size > limit else b"")
    if array.ndim == 0:
        return words[0] if words else b"..."
    position = 0

    def part(axis: int) -> bytes:
        nonlocal position
        text = b""
        for i in range(array.shape[axis]):
            if axis == array.ndim - 1:
                if position >= limit:
                    return text + (b"..." if axis else b"")
                text += (b" " if i else b"") + words[position]
                position += 1
            elif position < limit:
                text += b"[" + part(axis + 1) + b"]"
        return text

    return part(0) + (b"..." if array.size > limit else b"")


def _word(value: Any, dtype: DType) -> bytes:
    text = _element(value, dtype)
    return text[1:-1] if dtype is string else text


class Count:
    """How often a `Print` has printed."""

    def __init__(self) -> None:
        self.times = 0
        self.lock = threading.Lock()


@op("Print", session=True)
def print_op(
    xp: Any, input: Any, data: Any, *, run: Running, U: Any, message: bytes, first_n: int, summarize: int
) -> Any:
    """Print `data` to the standard error stream, and give `input`."""
    if first_n >= 0:
        count = run.resource(b"", b"", Count)
        with count.lock:
            if count.times >= first_n:
                return input
            count.times += 1
    parts = [b"[" + summary(x, dtype, summarize) + b"]" for x, dtype in zip(data, U, strict=True)]
    _write(sys.stderr, message + b"".join(parts) + b"\n")
    return input


@print_op.shape
def print_shape(input: Any, data: Any) -> Any:
    return input


@print_op.gradient
def print_grad(made: Operation, grad: Any) -> list[Any]:
    return [grad] + [None] * (len(made.inputs) - 1)


def _write(stream: Any, text: bytes) -> None:
    stream.write(text.decode("utf-8", "replace"))
    stream.flush()


_FILE = b"file://"
_LOGS = {b"log(info)": log.info, b"log(warning)": log.warn, b"log(error)": log.error}


@op("PrintV2", host=True, differentiable=False)
def print_v2_op(xp: Any, input: Any, *, output_stream: bytes, end: bytes) -> tuple[()]:
    """Print a string."""
    text = np.asarray(input).item() + end
    if output_stream.startswith(_FILE):
        with open(output_stream[len(_FILE) :].decode(), "ab") as file:
            file.write(text)
    elif output_stream in (b"stdout", b"stderr"):
        _write(sys.stdout if output_stream == b"stdout" else sys.stderr, text)
    elif output_stream in _LOGS:
        _LOGS[output_stream]("%s", text.decode("utf-8", "replace").removesuffix("\n"))
    else:
        known = ", ".join(["stdout", "stderr", *(name.decode() for name in _LOGS)])
        raise kernel_error(
            f"Unknown output stream: {output_stream.decode()}, Valid streams are: {known}, or file://..."
        )
    return ()


@public("Print")
def Print(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`input_`, and when it is evaluated, `data` is printed to the standard error stream.

    Args:
        input_: any tensor.
        data: a list of tensors to print.
        message: what to print before them.
        first_n: print only so many times in a session.
        summarize: how many elements of each to print; 3 by default, all of them if negative.
        name: the op's name.
    """
    return print_op(input_, data, message, first_n, summarize, name)


def _streams() -> dict[Any, str]:
    return {
        sys.stdout: "stdout",
        sys.stderr: "stderr",
        log.info: "log(info)",
        log.warn: "log(warning)",
        log.error: "log(error)",
        logging.INFO: "log(info)",
        logging.info: "log(info)",
        logging.WARNING: "log(warning)",
        logging.warning: "log(warning)",
        logging.ERROR: "log(error)",
        logging.error: "log(error)",
    }


def _stream_name(output_stream: Any) -> str:
    if isinstance(output_stream, str) and output_stream.startswith("file://"):
        return output_stream
    try:
        found = _streams().get(output_stream)
    except TypeError:  # unhashable
        found = None
    if found is None:
        raise ValueError(
            f"Unsupported output stream, logging level, or file.{output_stream}. Supported streams are sys.stdout, "
            "sys.stderr, tf.logging.info, tf.logging.warning, tf.logging.error. File needs to be in the form of "
            "'file://<filepath>'."
        )
    return found


def _placeholder_not_in(text: str) -> str:
    placeholder, digits = "{}", random.Random(5)
    while placeholder in text:
        placeholder += str(digits.randint(0, 9))
    return placeholder


def _template(inputs: tuple[Any, ...], sep: str) -> tuple[str, str, list[Tensor]]:
    """The text to print with a placeholder for each tensor, the placeholder, and the tensors."""
    without = nest.map_structure(lambda x: "" if is_tensor_like(x) else x, inputs)
    placeholder = _placeholder_not_in(" ".join(pprint.pformat(x) for x in without))
    tensors: list[Tensor] = []
    words = []
    for value in inputs:
        parts: list[Any] = []
        for x in nest.flatten(value):
            if isinstance(x, SparseTensor):
                tensors.extend([x.indices, x.values, x.dense_shape])
                parts.append(f"SparseTensor(indices={placeholder}, values={placeholder}, shape={placeholder})")
            elif is_tensor_like(x):
                tensors.append(x)
                parts.append(placeholder)
            else:
                parts.append(x)
        words.append(value if isinstance(value, str) else pprint.pformat(nest.pack_sequence_as(value, parts)))
    return sep.join(words).replace(f"'{placeholder}'", placeholder), placeholder, tensors


@public("print")
def print_v2(*inputs: Any, **kwargs: Any) -> Operation:
    """An op that prints its arguments: tensors, Python values, and lists, tuples and dictionaries of them.

    Args:
        inputs: what to print.
        output_stream: `sys.stderr` (the default), `sys.stdout`, `tf.logging.info`, `tf.logging.warning`,
            `tf.logging.error`, or "file://" and a path.
        summarize: how many entries to print at both ends of each axis; 3 by default, all if -1.
        sep: between the arguments.
        end: after them.
        name: the op's name.

    Raises:
        ValueError: for another keyword, or another stream.

    >>> import sys
    >>> with tf.Session() as s:
    ...     s.run(tf.print("x:", tf.range(10), output_stream=sys.stdout))
    x: [0 1 2 ... 7 8 9]
    """
    output_stream = kwargs.pop("output_stream", sys.stderr)
    name = kwargs.pop("name", None)
    summarize = kwargs.pop("summarize", 3)
    sep = kwargs.pop("sep", " ")
    end = kwargs.pop("end", os.linesep)
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments for tf.print: {kwargs}")
    stream = _stream_name(output_stream)
    only = inputs[0] if len(inputs) == 1 else None
    if isinstance(only, Tensor) and only.shape.ndims == 0 and only.dtype == string:
        text = only
    else:
        template, placeholder, tensors = _template(inputs, sep)
        text = string_format(
            inputs=tensors,
            template=template,
            placeholder=placeholder,
            summarize=summarize,
            name=f"{name}_format" if name else None,
        )
    return print_v2_op(text, output_stream=stream, name=name, end=end)
