"""Which function differentiates an op.

The first of these that there is:

1. the op's own: what `custom_gradient` and functions put on it;
2. what `RegisterGradient` registered under the name that `gradient_override_map` gave the op;
3. what `RegisterGradient` registered under the op's type;
4. the rule declared beside the op (`@matmul.gradient`);
5. no gradient, for ops declared `differentiable=False` or named to `NotDifferentiable`;
6. the derivative of the op's kernel (`default.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from evergraph.autodiff import default
from evergraph.framework import opdefs
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.ops.functions.calls import gradient_of_call

Rule = Callable[..., Any]

_registered: dict[str, Rule | None] = {}
_custom: WeakValueDictionary[str, Rule] = WeakValueDictionary()  # rules that live as long as the op they are on


@public("RegisterGradient")
class RegisterGradient:
    """Register the decorated function as the gradient of an op type, or under a name for `gradient_override_map`.

    The function is called with the op and one gradient per output (None where there is none), and gives one gradient
    per input (None for those without).

    Raises:
        TypeError: if the name is no string.
        KeyError: when it decorates, if the name has a gradient already.

    >>> @tf.RegisterGradient("Halved")
    ... def halved(op, grad):
    ...     return grad / 2.0
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError("op_type must be a string")
        self._op_type = op_type

    def __call__(self, f: Rule) -> Rule:
        _register(self._op_type, f)
        return f


@public("no_gradient", "NotDifferentiable", "NoGradient")
def no_gradient(op_type: str) -> None:
    """Declare that ops of type `op_type` have no gradient: it stops there, without an error.

    Raises:
        TypeError: if `op_type` is no string.
        KeyError: if it has a gradient already.
    """
    if not isinstance(op_type, str):
        raise TypeError("op_type must be a string")
    _register(op_type, None)


def _register(name: str, rule: Rule | None) -> None:
    opdef = opdefs.usable(name)
    if name in _registered or opdef is not None and (opdef.gradient is not None or opdef.differentiable is False):
        raise KeyError(f"Registering two gradient with name {name!r}! It has one already.")
    _registered[name] = rule


def gradient_function(op: Operation) -> Rule | None:
    """The rule for `op`, None when gradients stop there.

    Raises:
        LookupError: if it has none.
    """
    if op._gradient_function is not None:
        return op._gradient_function
    if not op.inputs:
        return None
    name = op.attrs.get("_gradient_op_type")
    if name is None:
        opdef = op.opdef
        if opdef.name in _registered:
            return _registered[opdef.name]
    else:
        name = name.decode() if isinstance(name, bytes) else name
        if name in _registered:
            return _registered[name]
        if name in _custom:
            return _custom[name]
        found = opdefs.usable(name)
        if found is None:
            raise LookupError(f"gradient registry has no entry for: {name}")
        opdef = found
    if opdef.gradient is not None:
        return opdef.gradient
    if opdef.differentiable is False:
        return None
    if op.type in op.graph._functions:
        return gradient_of_call
    if not default.applies_to(opdef):
        raise LookupError(f"gradient registry has no entry for: {opdef.name}")
    return default.derivative_of_kernel


def register_custom(name: str, rule: Rule) -> None:
    """Make the rule of one op known under `name`, so that a copy of the op in another graph finds it."""
    _custom[name] = rule


def is_differentiable(op: Operation) -> bool:
    """Whether the type of `op` has a gradient."""
    opdef = op.opdef
    if opdef.name in _registered:
        return _registered[opdef.name] is not None
    return opdef.gradient is not None or opdef.differentiable is not False and default.applies_to(opdef)
