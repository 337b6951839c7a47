"""`tf.train.Optimizer`: from a loss to an op that changes variables so that the loss falls.

    loss ──compute_gradients──► [(gradient, variable), ...] ──apply_gradients──► train op

An optimizer is a subclass that says what it remembers of each variable (`_create_slots`), what it computes once a step
(`_prepare`), how it changes a variable given a dense or a sparse gradient (`_apply_dense`, `_apply_sparse`; with
`_resource_` in front for resource variables), and what comes after all that (`_finish`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.autodiff.gradients import gradients
from evergraph.autodiff.tape import GradientTape
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, colocate_with, control_dependencies, init_scope, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.grouping import group, tuple_
from evergraph.ops.opdef import raw_op
from evergraph.ops.resource_variable import ResourceVariable, is_resource_variable
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.variables import Variable, trainable_variables
from evergraph.training import slots

VALID_DTYPES = frozenset((dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64))


@public("train.Optimizer")
class Optimizer:
    """What all optimizers are. Use one of its subclasses.

    Args:
        use_locking: kept for TF's signature; an update is never seen half done.
        name: the scope of the ops, and part of the names of slot variables.
    """

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Any, Variable]] = {}
        self._non_slot_dict: dict[Any, Variable] = {}

    def get_name(self) -> str:
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """Add the ops of one step that makes `loss` smaller: `compute_gradients`, then `apply_gradients`.

        Args:
            loss: a tensor, or a function without arguments that gives one; then the resource variables
                it reads are changed.
            global_step: a variable to add one to.
            var_list: the variables to change; by default the trainable ones.
            gate_gradients: `GATE_NONE`, `GATE_OP` (all gradients of an op before any is used) or `GATE_GRAPH` (all
                gradients before any is used).
            aggregation_method: how gradients of one tensor are summed, a member of `AggregationMethod`.
            colocate_gradients_with_ops: whether gradient ops are placed where the ops are that they are of.
            name: the op's name; the optimizer's by default.
            grad_loss: a gradient of `loss` to start from, ones by default.

        Returns:
            The op that does one step.

        Raises:
            ValueError: if no variable has a gradient.

        >>> w = tf.Variable(3.0)
        >>> step = tf.train.GradientDescentOptimizer(0.5).minimize(w**2)
        >>> sess.run(tf.global_variables_initializer())
        >>> sess.run(step)
        >>> sess.run(w)
        0.0
        """
        pairs = self.compute_gradients(
            loss, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )
        if all(grad is None for grad, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                f"between variables {[str(v) for _, v in pairs]} and loss {loss}."
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Add the ops of the gradients; the arguments are those of `minimize`.

        Returns:
            For each variable its gradient (a tensor, `IndexedSlices`, or None if `loss` does not depend on it) and it.
        """
        if callable(loss):
            return _gradients_of_call(loss, var_list, grad_loss)
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  "
                f"Not {gate_gradients}"
            )
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            self._assert_valid_dtypes([grad_loss])
        if var_list is None:
            var_list = trainable_variables() + get_default_graph().get_collection("trainable_resource_variables")
        else:
            var_list = _flat(var_list)
        targets = [_target(v) for v in var_list]
        if not var_list:
            raise ValueError("No variables to optimize.")
        grads = gradients(
            loss,
            targets,
            grad_ys=grad_loss,
            gate_gradients=gate_gradients == self.GATE_OP,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == self.GATE_GRAPH:
            grads = tuple_(grads)
        pairs = list(zip(grads, var_list))
        self._assert_valid_dtypes([v for g, v in pairs if g is not None and v.dtype is not dtypes.resource])
        return pairs

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Operation:
        """Add the op that changes variables, given their gradients.

        Args:
            grads_and_vars: pairs as `compute_gradients` gives them; a variable whose gradient is None is left out.
            global_step: a variable to add one to after all others have been changed.
            name: the op's name; the optimizer's by default.

        Raises:
            TypeError: for a gradient that is no tensor.
            ValueError: without a single gradient.
        """
        name = self._name if name is None else name
        pairs = [(_as_gradient(grad), variable) for grad, variable in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        var_list = [v for g, v in pairs if g is not None]
        if not var_list:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        for v in var_list:
            _target(v)
        with init_scope():
            self._create_slots(var_list)
        with name_scope(name, self._name) as scope:
            self._prepare()
            updates = []
            for grad, variable in pairs:
                if grad is not None:
                    with name_scope(f"update_{variable.op.name}"), colocate_with(variable):
                        updates.append(self._update(grad, variable))
            if global_step is None:
                train_op = self._finish(updates, scope)
            else:
                with control_dependencies([self._finish(updates, "update")]), colocate_with(global_step):
                    train_op = _incremented(global_step, scope)
        if isinstance(train_op, Tensor):
            train_op = train_op.op
        known = get_default_graph().get_collection_ref(GraphKeys.TRAIN_OP)
        if train_op not in known:
            known.append(train_op)
        return train_op

    def _update(self, grad: Any, variable: Any) -> Any:
        """The op that changes one variable, its constraint applied after."""
        sparse = isinstance(grad, IndexedSlices)
        if sparse and variable.constraint is not None:
            raise RuntimeError("Cannot use a constraint function on a sparse variable.")
        if is_resource_variable(variable):
            if sparse:
                return self._resource_apply_sparse_duplicate_indices(grad.values, variable, grad.indices)
            update = self._resource_apply_dense(grad, variable)
        elif isinstance(variable, Variable):
            if sparse:
                return self._apply_sparse_duplicate_indices(grad, variable)
            update = self._apply_dense(grad, variable)
        else:
            raise NotImplementedError("Trying to update a Tensor ", variable)
        if variable.constraint is None:
            return update
        with control_dependencies([update]):
            return variable.assign(variable.constraint(variable))

    # Slots and other variables

    def get_slot(self, var: Any, name: str) -> Variable | None:
        """The slot called `name` of `var`, or None if there is none (yet)."""
        return self._slots.get(name, {}).get(_key(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots made so far."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """The optimizer's own variables in the default graph, slots and others, by name."""
        graph = get_default_graph()
        own = [*self._non_slot_dict.values(), *(v for slot in self._slots.values() for v in slot.values())]
        return sorted((v for v in own if v.op.graph is graph), key=lambda v: v.name)

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Variable:
        """A variable of the optimizer that belongs to no single variable; it is made once a graph."""
        key = name, colocate_with.graph
        found = self._non_slot_dict.get(key)
        if found is None:
            with get_default_graph().colocate_with(colocate_with.op):
                found = Variable(
                    initial_value, name=name, trainable=False, use_resource=is_resource_variable(colocate_with)
                )
            self._non_slot_dict[key] = found
        return found

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        return self._non_slot_dict.get((name, graph))

    def _non_slot_variables(self) -> Any:
        return self._non_slot_dict.values()

    def _slot_dict(self, slot_name: str) -> dict[Any, Variable]:
        return self._slots.setdefault(slot_name, {})

    def _slot(self, var: Any, slot_name: str, make: Callable[[], Variable]) -> Variable:
        named = self._slot_dict(slot_name)
        key = _key(var)
        if key not in named:
            named[key] = make()
        return named[key]

    def _get_or_make_slot(self, var: Any, val: Tensor, slot_name: str, op_name: str) -> Variable:
        """The slot of `var`, made with the initial value `val` if it is not there yet."""
        return self._slot(var, slot_name, lambda: slots.create_slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        """The slot of `var`, made with an initializer if it is not there yet."""
        return self._slot(
            var, slot_name, lambda: slots.create_slot_with_initializer(var, initializer, shape, dtype, op_name)
        )

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Variable:
        """The slot of `var`, made with zeros if it is not there yet."""
        return self._slot(var, slot_name, lambda: slots.create_zeros_slot(var, op_name))

    # What subclasses say

    def _valid_dtypes(self) -> Any:
        return VALID_DTYPES

    def _assert_valid_dtypes(self, tensors: Any) -> None:
        valid = self._valid_dtypes()
        for t in tensors:
            if t.dtype.base_dtype not in valid:
                names = ", ".join(sorted(d.name for d in valid))
                raise ValueError(f"Invalid type {t.dtype.base_dtype!r} for {t.name}, expected one of: {names}.")

    def _create_slots(self, var_list: Any) -> None:
        """Make the slots of the variables in `var_list`."""

    def _prepare(self) -> None:
        """Make the tensors that all variables share, such as the learning rate."""

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        raise NotImplementedError()

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        raise NotImplementedError()

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """Change `var` given a sparse gradient that names no row twice."""
        raise NotImplementedError()

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """Change a resource variable given rows of its gradient; `indices` names no row twice."""
        raise NotImplementedError()

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """Change `var` given a sparse gradient that may name a row twice: their sum counts."""
        values, indices = summed_by_row(grad.values, grad.indices)
        return self._apply_sparse(IndexedSlices(values, indices, grad.dense_shape), var)

    def _resource_apply_sparse_duplicate_indices(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """Change a resource variable given rows of its gradient, some of them for the same row perhaps."""
        values, unique = summed_by_row(grad, indices)
        return self._resource_apply_sparse(values, handle, unique)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Operation:
        """The op, called `name_scope`, that is done when all updates are."""
        return group(*update_ops, name=name_scope)

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) else param


def summed_by_row(values: Any, indices: Any) -> tuple[Tensor, Tensor]:
    """The rows `values` summed where `indices` agree, and the indices without repetition."""
    unique, positions = raw_op("Unique")(indices)
    sizes: Any = shape_of(unique)
    return raw_op("UnsortedSegmentSum")(values, positions, sizes[0]), unique


def _incremented(global_step: Any, name: str) -> Any:
    if isinstance(global_step, ResourceVariable):
        one = convert_to_tensor(1, dtype=global_step.dtype)
        return state.assign_add_variable_op(global_step.handle, one, name=name)
    return state.assign_add(global_step, 1, name=name)


def _gradients_of_call(loss: Callable[[], Any], var_list: Any, grad_loss: Any) -> list[tuple[Any, Any]]:
    """The gradients of what `loss` gives, with respect to `var_list` or the trainable variables it reads."""
    graph = get_default_graph()
    before = len(graph._ops)
    with GradientTape() as tape:
        value = loss()
    if var_list is None:  # resource variables read in the call, as TensorFlow's tape sees them
        reads = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd")
        read = {op.inputs[0] for op in graph._ops[before:] if op.type in reads}
        var_list = [v for v in trainable_variables() if is_resource_variable(v) and v.handle in read]
    else:
        var_list = _flat(var_list)
    with control_dependencies([value]):
        return list(zip(tape.gradient(value, var_list, grad_loss), var_list, strict=True))


def _as_gradient(grad: Any) -> Any:
    if grad is None or isinstance(grad, Tensor | IndexedSlices):
        return grad
    try:
        grad = convert_to_tensor(grad)
    except TypeError:
        raise TypeError(f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {grad}") from None
    return grad


def _target(variable: Any) -> Any:
    """What the gradient is taken with respect to."""
    if is_resource_variable(variable):
        return variable
    if isinstance(variable, Variable):
        return variable._ref()  # type: ignore[attr-defined]  # a `RefVariable`
    if isinstance(variable, Tensor):
        return variable
    raise NotImplementedError("Trying to optimize unsupported type ", variable)


def _key(variable: Any) -> Any:
    return variable.op.graph, variable.op.name


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [leaf for value in values for leaf in _flat(value)]
    if isinstance(values, dict):
        return [leaf for key in sorted(values) for leaf in _flat(values[key])]
    return [values]
