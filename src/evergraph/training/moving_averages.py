"""Moving averages of variables and tensors: `average -= (1 - decay) * (average - value)` at every step."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, colocate_with, init_scope, name_scope
from evergraph.ops import state
from evergraph.ops.cast import cast
from evergraph.ops.grouping import group
from evergraph.ops.initializers import Zeros
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_scope import get_variable, get_variable_scope, variable_scope
from evergraph.ops.variables import Variable, global_variables, moving_average_variables, trainable_variables
from evergraph.training import slots

AVERAGED_DTYPES = (dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64)


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Move `variable` towards `value`.

    Args:
        variable: the average.
        value: a tensor of its type and shape.
        decay: a float scalar: how much of the average stays.
        zero_debias: whether to make up for the average having started with zeros (arXiv:1412.6980, section 3).
        name: the scope of the ops.

    Returns:
        The average after the step.
    """
    with name_scope(name, "AssignMovingAvg", [variable, value, decay]) as scope:
        rest = convert_to_tensor(1.0 - decay, name="decay")
        if rest.dtype is not variable.dtype.base_dtype:
            rest = cast(rest, variable.dtype.base_dtype)
        if zero_debias:
            return _debiased(variable, value, rest)
        return state.assign_sub(variable, (variable - value) * rest, name=scope)


def _debiased(average: Any, value: Any, rest: Any) -> Any:
    with variable_scope(average.name[: -len(":0")], values=[average, value, rest]):
        with colocate_with(average):
            biased = get_variable(
                _unique("biased"),
                initializer=Zeros(),
                shape=average.get_shape(),
                dtype=average.dtype,
                trainable=False,
            )
            step = get_variable(
                _unique("local_step"), shape=[], dtype=average.dtype, initializer=Zeros(), trainable=False
            )
    moved = state.assign_sub(biased, (biased - value) * rest)
    counted = step.assign_add(1)
    factor = 1 - raw_op("Pow")(1.0 - rest, counted)
    scope = get_default_graph().get_name_scope() + "/"
    return state.assign(average, moved / factor, name=scope)


def _unique(name: str) -> str:
    """`name`, numbered if the current variable scope has a variable called so."""
    scope = get_variable_scope()
    if scope.reuse:
        return name
    taken = {v.op.name for v in scope.global_variables()}
    if f"{scope.name}/{name}" not in taken:
        return name
    i = 1
    while f"{scope.name}/{name}_{i}" in taken:
        i += 1
    return f"{name}_{i}"


def weighted_moving_average(
    value: Any, decay: Any, weight: Any, truediv: bool = True, collections: Any = None, name: str | None = None
) -> Any:
    """The moving average of `value` in which each value counts as much as its `weight` says.

    Args:
        value: a numeric tensor.
        decay: a float scalar: how much of the average stays.
        weight: a tensor of the same shape as `value`, or one that broadcasts to it.
        truediv: whether integers divide to floats.
        collections: the graph collections for the two variables that this takes.
        name: the scope of the ops.
    """
    collections = [GraphKeys.GLOBAL_VARIABLES] if collections is None else collections
    with variable_scope(name, "WeightedMovingAvg", [value, weight, decay]) as scope:
        sums = []
        for part, like in (("value_x_weight", value), ("weight", weight)):
            sums.append(
                get_variable(
                    part,
                    shape=like.get_shape(),
                    dtype=like.dtype,
                    initializer=Zeros(),
                    trainable=False,
                    collections=collections,
                )
            )
        numerator = assign_moving_average(sums[0], value * weight, decay, zero_debias=False)
        denominator = assign_moving_average(sums[1], weight, decay, zero_debias=False)
        floating = truediv or value.dtype.base_dtype.is_floating
        return raw_op("RealDiv" if floating else "Div")(numerator, denominator, name=scope.name)


@public("train.ExponentialMovingAverage")
class ExponentialMovingAverage:
    """Averages of variables that forget exponentially: often better to evaluate with than the last values.

    Args:
        decay: a float near 1: how much of an average stays at each step.
        num_updates: a count of steps; makes the decay smaller at the beginning, `(1 + n) / (10 + n)`.
        zero_debias: whether averages of tensors make up for having started with zeros.
        name: the last part of the averages' names.

    >>> w = tf.Variable(0.0)
    >>> ema = tf.train.ExponentialMovingAverage(0.9)
    >>> update = ema.apply([w])
    >>> sess.run(tf.global_variables_initializer())
    >>> sess.run(w.assign(10.0))
    10.0
    >>> sess.run(update)
    >>> sess.run(ema.average(w))
    1.0...
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Any, Variable] = {}

    @property
    def name(self) -> str:
        return self._name

    def apply(self, var_list: Any = None) -> Operation:
        """Make the averages of `var_list` (by default the trainable variables), and an op that updates them.

        A variable's average starts with its initial value, a tensor's with zeros.

        Raises:
            TypeError: for a variable that is not floating.
        """
        if var_list is None:
            var_list = trainable_variables()
        debias = set()
        for var in var_list:
            if var.dtype.base_dtype not in AVERAGED_DTYPES:
                raise TypeError(f"The variables must be half, float, or double: {var.name}")
            if var not in self._averages:
                with init_scope():
                    if isinstance(var, Variable):
                        average = slots.create_slot(var, var.initialized_value(), self.name)
                        get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
                    else:
                        there = var.op.type in ("Variable", "VariableV2", "VarHandleOp")
                        average = slots.create_zeros_slot(var, self.name, colocate_with_primary=there)
                        if self._zero_debias:
                            debias.add(average)
                self._averages[var] = average
        with name_scope(self.name) as scope:
            decay = convert_to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                n = cast(self._num_updates, dtypes.float32, name="num_updates")
                decay = raw_op("Minimum")(decay, (1.0 + n) / (10.0 + n))
            averages = [self._averages[var] for var in var_list]
            updates = [
                assign_moving_average(average, var, decay, average in debias)
                for average, var in zip(averages, var_list)
            ]
            return group(*updates, name=scope)

    def average(self, var: Any) -> Variable | None:
        """The average of `var`, or None if it has none."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name that the average of `var` has, or will have: under which checkpoints keep it."""
        if var in self._averages:
            return self._averages[var].op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self.name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Any = None) -> dict[str, Any]:
        """What to give a `Saver` so that it restores variables from their averages.

        Args:
            moving_avg_variables: those to be restored so; by default the trainable and the averaged ones.

        Returns:
            Name in the checkpoint to variable: all global variables, these under their averages' names.
        """
        if moving_avg_variables is None:
            moving_avg_variables = trainable_variables() + moving_average_variables()
        averaged = dict.fromkeys(moving_avg_variables)
        names = {self.average_name(v): v for v in averaged}
        averaged_names = {v.name for v in averaged}
        for v in dict.fromkeys(global_variables()):
            if v.name not in averaged_names and v.op.name not in names:
                names[v.op.name] = v
        return names
