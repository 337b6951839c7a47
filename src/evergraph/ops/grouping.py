"""Ops that only wait: `no_op`, `group` and `tuple`, made of control edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import converted, is_tensor_like
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies, device, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op, raw_op


@op("NoOp", differentiable=False)
def no_op(xp: Any) -> Any:
    """Do nothing; what it waits for runs."""
    return ()


public("no_op")(no_op)


@public("group")
def group(*inputs: Any, **kwargs: Any) -> Operation:
    """An op that is done when all `inputs` (ops, tensors, lists of those) are.

    Args:
        *inputs: what to wait for.
        name: the op's name.

    Raises:
        TypeError: for an input that is neither an op nor a tensor.
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError(f"Unknown keyword arguments: {', '.join(kwargs)}")
    with name_scope(name, "group_deps", inputs) as scope:
        if not inputs:
            return no_op(name=scope)
        by_device: dict[str, list[Any]] = {}
        for item in _flat(inputs):
            if not hasattr(item, "device"):
                raise TypeError(f"Expected tf.group() expected Tensor arguments not '{item}' with type '{type(item)}'")
            by_device.setdefault(item.device, []).append(item)
        if len(by_device) == 1:
            ((where, items),) = by_device.items()
            return _waiting(where, items, scope)
        parts = [_waiting(where, by_device[where], None) for where in sorted(by_device, key=lambda d: d or "")]
        with control_dependencies(parts):
            return no_op(name=scope)


def _waiting(where: str | None, items: list[Any], name: str | None) -> Operation:
    with control_dependencies(items):
        if where is None:
            return no_op(name=name)
        with device(where):
            return no_op(name=name)


def _flat(items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _flat(item)
        elif isinstance(item, dict):
            yield from _flat(item[key] for key in sorted(item))
        else:
            yield item


@public("tuple")
def tuple_(tensors: Any, name: str | None = None, control_inputs: Any = None) -> list[Any]:
    """Copies of `tensors` none of which can be had before all of them are computed.

    Args:
        tensors: tensors, `IndexedSlices` or None.
        name: the scope of the ops.
        control_inputs: further ops to wait for.

    Raises:
        ValueError: without any tensor.
    """
    with name_scope(name, "tuple", tensors):
        tensors = [t if t is None or isinstance(t, Operation) or is_tensor_like(t) else converted(t) for t in tensors]
        waits = {t if isinstance(t, Operation) else t.op for t in tensors if t is not None}
        for c in control_inputs or ():
            if not isinstance(c, Tensor | Operation):
                raise TypeError(f"Control input must be Operation or Tensor: {c}")
            waits.add(c.op if isinstance(c, Tensor) else c)
        if not waits:
            raise ValueError(f"Must have at least one Tensor: {tensors}")
        gate = group(*sorted(waits, key=lambda op: op._id))
        return [None if t is None else _after_gate(gate, t) for t in tensors]


def _after_gate(gate: Operation, item: Any) -> Any:
    return gate if isinstance(item, Operation) else with_dependencies([gate], item)


def with_dependencies(dependencies: Any, output_tensor: Any, name: str | None = None) -> Any:
    """`output_tensor` (a tensor or `IndexedSlices`), available only after `dependencies` have run."""
    with name_scope(name, "control_dependency", [*dependencies, output_tensor]) as scope:
        is_slices = isinstance(output_tensor, IndexedSlices)
        with colocate_with(output_tensor.op if is_slices else output_tensor), control_dependencies(dependencies):
            output = output_tensor if isinstance(output_tensor, IndexedSlices) else converted(output_tensor)
            if isinstance(output, IndexedSlices):
                values = output.values._ref() if hasattr(output.values, "_ref") else output.values
                identity = raw_op("RefIdentity" if values.dtype._is_ref_dtype else "Identity")
                return IndexedSlices(identity(values, name=scope), output.indices, output.dense_shape)
            return raw_op("Identity")(output, name=scope)
