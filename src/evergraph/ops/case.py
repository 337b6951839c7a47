"""`tf.case` and `tf.switch_case`: one of several branches runs."""

from __future__ import annotations

import functools
import logging
from collections import OrderedDict
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.checks import Assert
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.joining import stack
from evergraph.ops.opdef import raw_op
from evergraph.ops.reductions import reduce_sum


@public("case")
def case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False, name: str = "case"
) -> Any:
    """Run the ops of the function whose condition is the first true one.

    Args:
        pred_fn_pairs: a list of pairs of a scalar bool tensor and a function, or a dictionary of those.
        default: the function when no condition is true; without it, that is an error of the run.
        exclusive: make more than one true condition an error of the run.
        strict: give a list of one as a list, rather than as its element.
        name: the name scope of the ops.

    Returns:
        What the functions give, as `cond` does.

    Raises:
        TypeError: if `pred_fn_pairs` is not a list or dictionary of such pairs.
        InvalidArgumentError: at run time, when no condition is true and there is no `default`, or if `exclusive` and
            several are true.

    >>> x = tf.constant(7)
    >>> sess.run(tf.case([(x < 5, lambda: tf.constant(1)), (x < 9, lambda: tf.constant(2))], lambda: tf.constant(3)))
    2
    """
    predicates, actions = _checked_pairs(pred_fn_pairs, exclusive, name)
    with name_scope(name, "case", [predicates]):
        if default is None:
            default, predicates, actions = _default_of(predicates, actions)
        function = default
        # The first condition is the outermost branch.
        for predicate, action in reversed(list(zip(predicates, actions, strict=True))):
            function = functools.partial(cond, predicate, true_fn=action, false_fn=function, strict=strict)
        if not exclusive:
            return function()
        with control_dependencies([_at_most_true(predicates, 1, "Input error: exclusive=True")]):
            return function()


def _checked_pairs(pairs: Any, exclusive: bool, name: str) -> tuple[Any, Any]:
    if not isinstance(pairs, list | tuple | dict):
        raise TypeError("fns must be a list, tuple, or dict")
    if isinstance(pairs, OrderedDict):
        pairs = list(pairs.items())
    elif isinstance(pairs, dict):
        pairs = sorted(pairs.items(), key=lambda item: item[0].name)
        if not exclusive:
            logging.getLogger("tensorflow").warning(
                "%s: An unordered dictionary of predicate/fn pairs was provided, but exclusive=False. The order of "
                "conditional tests is deterministic but not guaranteed.",
                name,
            )
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Each entry in pred_fn_pairs must be a 2-tuple")
        pred, function = pair
        if not isinstance(pred, Tensor):
            raise TypeError(f"pred must be a Tensor, got: {pred}")
        if pred.dtype is not dtypes.bool:
            raise TypeError(f"pred must be Tensor of type bool: {pred.name}")
        if not callable(function):
            raise TypeError(f"fn for pred {pred.name} must be callable.")
    predicates, actions = zip(*pairs, strict=True)
    return predicates, actions


def _default_of(predicates: Any, actions: Any) -> tuple[Any, Any, Any]:
    """Without a default, the last pair is it, with a check that its condition is the one that is true."""
    *others, predicate = predicates
    *other_actions, action = actions
    count = len(others)

    def default() -> Any:
        chosen = f"Implementation error: selected default action #{count} was called, but some of other predicates are True: "
        none_true = ("Input error: None of conditions evaluated as True:", _stacked(predicates))
        with control_dependencies([_at_most_true(others, 0, chosen), Assert(predicate, none_true)]):
            return action()

    return default, tuple(others), tuple(other_actions)


def _stacked(predicates: Any) -> Tensor:
    return stack(predicates, name="preds_c")


def _at_most_true(predicates: Any, count: int, message: str) -> Operation:
    conditions = _stacked(predicates)
    how_many = reduce_sum(cast(conditions, dtypes.int32), name="num_true_conds")
    holds = raw_op("LessEqual")(how_many, constant(count, name="n_true_conds"))
    names = ", ".join(getattr(p, "name", "?") for p in predicates)
    text = f"{message}: more than {count} conditions ({names}) evaluated as True:"
    return Assert(holds, data=[text, conditions], summarize=len(predicates))
