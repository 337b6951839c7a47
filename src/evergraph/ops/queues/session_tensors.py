"""`tf.get_session_handle`: a value that stays in a session until its handle is gone."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, device
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.identity import placeholder
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


class Store:
    """The values of one session that have handles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._values: dict[str, Any] = {}

    def keep(self, name: str, value: Any) -> TensorHandle:
        handle = TensorHandle(f"{name};{next(self._numbers)};{_DEVICE}".encode())
        handle._store = self
        with self._lock:
            self._values[handle.handle] = value
        return handle

    def value(self, handle: str) -> Any:
        with self._lock:
            if handle in self._values:
                return self._values[handle]
        raise kernel_error(f"The tensor with handle '{handle}' is not in the session store.")

    def delete(self, handle: str) -> None:
        self.value(handle)
        self.forget(handle)

    def forget(self, handle: str) -> None:
        with self._lock:
            self._values.pop(handle, None)


class TensorHandle(bytes):
    """What stands for a value in a session. When it is gone, so is the value, unless `get_raw_handle` was called."""

    _store: Store | None = None
    _owns = True

    @property
    def handle(self) -> str:
        """The handle as a string, to feed to what `get_session_tensor` gives."""
        return self.decode()

    def __str__(self) -> str:
        return self.decode()

    __repr__ = __str__

    def __del__(self) -> None:
        if self._store is not None and self._owns:
            self._store.forget(self.handle)

    def eval(self) -> Any:
        """The value.

        Raises:
            TypeError: if it was deleted, or given into other hands.
        """
        return np.array(self.held_tensor())[()]

    def held_tensor(self) -> Any:
        self._check()
        assert self._store is not None
        return self._store.value(self.handle)

    def delete(self) -> None:
        """Let go of the value."""
        self._check()
        assert self._store is not None
        self._owns = False
        self._store.delete(self.handle)

    def get_raw_handle(self) -> str:
        """The handle as a string; the value then stays until `delete_session_tensor`."""
        self._owns = False
        return self.handle

    def _check(self) -> None:
        if not self._owns:
            raise TypeError(f"Persistent tensor {self.handle} may have already been deleted.")


def _store(run: Running) -> Store:
    return run.resource(b"", b"session tensors", Store)


def _get_handle(xp: Any, value: Any, *, run: Running) -> Any:
    """Keep a value in the session; gives its handle."""
    handle = np.empty((), object)
    handle[()] = _store(run).keep(run.op.name, np.array(value))
    return handle


def _scalar(made: Operation) -> Shape:
    return ()


get_session_handle_op = op("GetSessionHandle", session=True, differentiable=False)(_get_handle)
get_session_handle_op.shape_from_op(_scalar)
op("GetSessionHandleV2", session=True, differentiable=False)(_get_handle).shape_from_op(_scalar)


def _text(handle: Any) -> str:
    return bytes(np.asarray(handle, object).item()).decode()


@op("GetSessionTensor", session=True, differentiable=False)
def get_session_tensor_op(xp: Any, handle: Any, *, run: Running, dtype: DType) -> Any:
    """The value that a handle stands for."""
    return _store(run).value(_text(handle))


@get_session_tensor_op.shape_from_op
def get_session_tensor_shape(made: Operation) -> Shape:
    return None


@op("DeleteSessionTensor", session=True, differentiable=False)
def delete_session_tensor_op(xp: Any, handle: Any, *, run: Running) -> tuple[()]:
    """Let go of the value that a handle stands for."""
    _store(run).delete(_text(handle))
    return ()


@public("get_session_handle")
def get_session_handle(data: Any, name: str | None = None) -> Tensor:
    """A handle of the value of `data`, which stays in the session.

    Returns:
        A string scalar. Fetching it gives a `TensorHandle`.

    Raises:
        TypeError: if `data` is no tensor.

    >>> with tf.Session() as s:
    ...     handle = s.run(tf.get_session_handle(tf.constant(5)))
    ...     place, value = tf.get_session_tensor(handle.handle, tf.int32)
    ...     s.run(value + 1, {place: handle.handle})
    6
    """
    if not isinstance(data, Tensor):
        raise TypeError("`data` must be of type Tensor.")
    with colocate_with(data):
        return get_session_handle_op(data, name=name)


def _device_of(handle: Any) -> str:
    return (handle.decode() if isinstance(handle, bytes) else str(handle)).split(";")[-1]


@public("get_session_tensor")
def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The value behind a handle, as a tensor.

    Args:
        handle: one such handle; others can be fed too.
        dtype: the type of the value.

    Returns:
        `(placeholder, tensor)`: feed a handle to the one and use the other.
    """
    with device(_device_of(handle)):
        holder = placeholder(dtypes.string)
        return holder, get_session_tensor_op(holder, dtype, name=name)


@public("delete_session_tensor")
def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Tensor, Operation]:
    """`(placeholder, op)`: feed a handle to the one, and the other lets go of its value."""
    with device(_device_of(handle)):
        holder = placeholder(dtypes.string)
        return holder, delete_session_tensor_op(holder, name=name)
