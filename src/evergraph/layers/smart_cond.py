"""A branch taken while the graph is built where the condition is known by then, else `tf.cond`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops.case import built_case
from evergraph.ops.cond import cond
from evergraph.ops.opdef import constant_value
from evergraph.ops.variables import Variable


@public("contrib.framework.smart_constant_value")
def smart_constant_value(pred: Any) -> Any:
    """The truth value of a bool, of 0 or 1, or the value of a tensor that is known by now; None for any other tensor.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(pred, Tensor):
        return constant_value(pred)
    if pred in (0, 1):
        return bool(pred)
    if isinstance(pred, bool):
        return pred
    raise TypeError(f"`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: {pred}")


@public("contrib.framework.smart_cond")
def smart_cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """`true_fn()` or `false_fn()` if `pred` is known by now, else `tf.cond(pred, true_fn, false_fn)`.

    Args:
        pred: a bool, 0 or 1, or a bool scalar.
        true_fn: a function without arguments.
        false_fn: a function without arguments.
        name: the name of the `cond`, if one is built.

    Raises:
        TypeError: if the functions are not callable, or `pred` is none of the above.
    """
    if isinstance(pred, Variable):
        return cond(pred, true_fn=true_fn, false_fn=false_fn, name=name)
    if not callable(true_fn):
        raise TypeError("`true_fn` must be callable.")
    if not callable(false_fn):
        raise TypeError("`false_fn` must be callable.")
    known = smart_constant_value(pred)
    if known is None:
        return cond(pred, true_fn=true_fn, false_fn=false_fn, name=name)
    return true_fn() if known else false_fn()


@public("contrib.framework.smart_case")
def smart_case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, name: str = "smart_case") -> Any:
    """`tf.case`, without the branches whose conditions are known by now.

    Args:
        pred_fn_pairs: a list of pairs of a bool, or a scalar bool tensor, and a function, or a dictionary of those.
        default: the function when no condition is true; without it, that is an error of the run.
        exclusive: make more than one true condition an error of the run.
        name: the name scope of the ops.

    Raises:
        TypeError: if `pred_fn_pairs` is not a list or dictionary of such pairs.
    """
    return built_case(smart_cond, pred_fn_pairs, default, exclusive, name, allows_bools=True)


def known_truth(pred: Any) -> Any:
    """`smart_constant_value`, and None for a variable."""
    return None if isinstance(pred, Variable) else smart_constant_value(pred)
