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
    return built_case(functools.partial(cond, strict=strict), pred_fn_pairs, default, exclusive, name)


def built_case(
    branch: Any, pred_fn_pairs: Any, default: Any, exclusive: bool, name: str, allows_bools: bool = False
) -> Any:
    """`case` with `branch(predicate, true_fn=, false_fn=)` in place of `cond`; conditions may be bools if allowed."""
    predicates, actions = _checked_pairs(pred_fn_pairs, exclusive, name, allows_bools)
    with name_scope(name, "case", [predicates]):
        if default is None:
            default, predicates, actions = _default_of(predicates, actions)
        function = default
        # The first condition is the outermost branch.
        for predicate, action in reversed(list(zip(predicates, actions, strict=True))):
            function = functools.partial(branch, predicate, true_fn=action, false_fn=function)
        if not exclusive:
            return function()
        with control_dependencies([_at_most_true(predicates, 1, "Input error: exclusive=True")]):
            return function()


def _checked_pairs(pairs: Any, exclusive: bool, name: str, allows_bools: bool) -> tuple[Any, Any]:
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
        if isinstance(pred, bool) and allows_bools:
            label = str(pred)
        elif not isinstance(pred, Tensor):
            raise TypeError(f"pred must be a Tensor{', or a Python bool' * allows_bools}, got: {pred}")
        elif pred.dtype is not dtypes.bool:
            raise TypeError(f"pred must be Tensor of type bool: {pred.name}")
        else:
            label = pred.name
        if not callable(function):
            raise TypeError(f"fn for pred {label} must be callable.")
    predicates, actions = zip(*pairs, strict=True)
    return predicates, actions


def _default_of(predicates: Any, actions: Any) -> tuple[Any, Any, Any]:
    """Without a default, the last pair is it, with a check that its condition is the one that is true."""
    *others, predicate = predicates
    *other_actions, action = actions
    count = len(others)

    def default() -> Any:
        chosen = (
            f"Implementation error: selected default action #{count} was called, but some of other predicates are "
            "True: "
        )
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


@public("switch_case")
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str = "switch_case") -> Any:
    """Run the ops of the function at position `branch_index`.

    Args:
        branch_index: an int scalar tensor.
        branch_fns: a list of functions, or of pairs of an int and a function, or a dictionary of those; the ints are
            all of 0, 1, ...
        default: the function for every other index; by default the last one.
        name: the name scope of the ops.

    Returns:
        What the functions give, as `cond` does.

    Raises:
        TypeError: if `branch_index` is not an int tensor, `branch_fns` is not such a list, or what the functions give
            differs in structure or type.
        ValueError: if there are no functions, the ints are not 0, 1, ..., or one takes a tensor of another.

    >>> sess.run(tf.switch_case(tf.constant(1), [lambda: tf.constant(10), lambda: tf.constant(20)]))
    20
    """
    functions = _checked_branches(branch_index, branch_fns)
    if default is not None:
        functions.append(default)
    from evergraph.ops.functions.functional_cond import indexed_case

    with name_scope(name, "case", [branch_index]):
        return indexed_case(branch_index, functions)


def _checked_branches(branch_index: Any, branch_fns: Any) -> list[Any]:
    if not isinstance(branch_index, Tensor):
        raise TypeError(f"branch_index must a Tensor, got {type(branch_index)}")
    if not branch_index.dtype.is_integer:
        raise TypeError(f"branch_index must an integer Tensor, got {branch_index.dtype}")
    if not branch_fns:
        raise ValueError("Must provide at least one item in branch_fns")
    if not isinstance(branch_fns, list | tuple | dict):
        raise TypeError("branch_fns must be a list, tuple, or dict")
    pairs = list(branch_fns.items()) if isinstance(branch_fns, dict) else list(branch_fns)
    if all(callable(fn) for fn in pairs):
        pairs = list(enumerate(pairs))
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Each entry in branch_fns must be a 2-tuple")
        if not isinstance(pair[0], int):
            raise TypeError(f"key must be a Python `int`, got {type(pair[0])}")
        if not callable(pair[1]):
            raise TypeError(f"fn for key {pair[0]} must be callable.")
    keys = sorted(key for key, _ in pairs)
    if keys != list(range(len(keys))):
        raise ValueError(
            f"branch indices (keys) must form contiguous range of [0 to {len(keys)}) but found "
            f"{{{','.join(map(str, keys))}}}"
        )
    return [fn for _, fn in sorted(pairs, key=lambda pair: pair[0])]
