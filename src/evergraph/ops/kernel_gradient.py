"""`KernelGradient`: the derivative of another op's kernel, as an op.

    dx = KernelGradient(inputs=[x], statics=[n], grads=[dy], forward=Op {its attributes})    for y = Op(x, n)

JAX differentiates the kernel when the op runs. `inputs` are the forward op's inputs, except for the ones that must be
known while a stage is traced: those are `statics`. `grads` are the gradients of its floating outputs, and there is one
output for each floating entry of `inputs`. `forward` names the forward op's type with its attributes: a `NameAttrList`
in a GraphDef. The gradient of a KernelGradient is another one. `autodiff.default` puts them into graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from evergraph.framework import dtypes, opdefs
from evergraph.framework.codec import codec
from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import Operation
from evergraph.ops import opdef as declarations
from evergraph.ops.opdef import op

FLOATING = frozenset(
    (
        dtypes.float16,
        dtypes.bfloat16,
        dtypes.float32,
        dtypes.float64,
        dtypes.complex64,
        dtypes.complex128,
    )
)


@dataclass(frozen=True, slots=True)
class Forward:
    """The attribute `forward`: an op type and the op's attributes."""

    name: str
    attrs: dict[str, Any]


def static_arguments(opdef: OpDef) -> list[bool]:
    return [arg.name in opdef.static for arg in opdef.inputs]


@op(
    "KernelGradient",
    signature="(inputs: list(Tin), statics: list(Tstatic), grads: list(Tgrad)) -> (output: list(Tout)) | forward: func"
    " | Tin: list(type) >= 1 | Tstatic: list(type) | Tgrad: list(type) >= 1 | Tout: list(type) >= 1",
    static=("statics",),
)
def kernel_gradient(xp: Any, inputs: Any, statics: Any, grads: Any, *, forward: Any) -> Any:
    """The gradients of an op's floating inputs, from those of its floating outputs: the derivative of its kernel."""
    import jax
    import jax.numpy as jnp

    if hasattr(forward, "attr"):  # read from a GraphDef
        forward = Forward(forward.name, {key: codec().attr_from_proto(value) for key, value in forward.attr.items()})
    if xp is np:
        with jax.enable_x64(True), jax.ensure_compile_time_eval():  # at once, even while a stage is being traced
            return tuple(np.asarray(g) for g in _derivative(jnp, inputs, statics, grads, forward))
    return _derivative(jnp, inputs, statics, grads, forward)


@kernel_gradient.shape_from_op
def kernel_gradient_shape(made: Operation) -> Any:
    return [t.static_shape for t in made.inputs[: len(made.attrs["Tin"])] if t.dtype._base in FLOATING]


def _derivative(jnp: Any, inputs: Any, statics: Any, grads: Any, forward: Forward) -> tuple[Any, ...]:
    import jax

    opdef, attrs = opdefs.lookup(forward.name), forward.attrs
    assert opdef is not None and opdef.kernel is not None
    kernel = opdef.kernel
    named = {name: attrs[name] for name in opdef.kernel_attrs}
    kinds = declarations.output_types(opdef, attrs)
    differentiated = [i for i, x in enumerate(inputs) if jnp.issubdtype(x.dtype, jnp.inexact)]

    def floating_outputs(*values: Any) -> list[Any]:
        merged = list(inputs)
        for i, value in zip(differentiated, values, strict=True):
            merged[i] = value
        outputs = _flat(kernel(jnp, *_arguments(opdef, attrs, iter(merged), iter(statics)), **named))
        return [jnp.asarray(y, kind.np) for y, kind in zip(outputs, kinds, strict=True) if kind in FLOATING]

    # The forward op states what it requires of its values itself; what the trace of its derivative states is dropped.
    declarations.collectors.append(declarations.CheckCollector())
    try:
        _, pull_back = jax.vjp(floating_outputs, *(jnp.asarray(inputs[i]) for i in differentiated))
        # TF's gradient of a complex value is the conjugate of JAX's.
        return tuple(jnp.conj(g) for g in pull_back([jnp.conj(jnp.asarray(g)) for g in grads]))
    finally:
        declarations.collectors.pop()


def _arguments(opdef: OpDef, attrs: dict[str, Any], inputs: Iterator[Any], statics: Iterator[Any]) -> Iterator[Any]:
    """The kernel's positional arguments: list arguments gathered, static ones back in their places."""
    for arg, is_static in zip(opdef.inputs, static_arguments(opdef), strict=True):
        values = statics if is_static else inputs
        if arg.number_attr:
            yield tuple(islice(values, attrs[arg.number_attr]))
        elif arg.type_list_attr:
            yield tuple(islice(values, len(attrs[arg.type_list_attr])))
        else:
            yield next(values)


def _flat(outputs: Any) -> list[Any]:
    if not isinstance(outputs, list | tuple):
        return [outputs]
    return [y for group in outputs for y in _flat(group)]
