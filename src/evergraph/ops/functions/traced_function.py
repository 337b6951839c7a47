"""`tf.function`: a Python function of tensors whose ops become a function of the graph's library.

    @tf.function
    def step(x):                       step(a)     PartitionedCall(a, v; f="__inference_step_7")
        v.assign_add(x)
        return v * 2.0                 the body    v's handle and x are arguments; the assignment comes before the read

The Python function is called once for each kind of arguments: types and shapes of tensors, values of everything else.
Inside, ops on one resource run in the order of the program, all ops that act do run, and the results come after them.
Python's `if` and `while` on tensors are not rewritten: use `tf.cond` and `tf.while_loop`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.formats.function_def import to_function_def
from evergraph.framework.api import public
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import flatten, map_structure, pack_sequence_as
from evergraph.framework.scopes import GraphKeys
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.constant import constant
from evergraph.ops.functions.bodies import Part, controls_of, packed
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import Variable

_numbers = itertools.count()

# Variables belong to the graph outside; what else a body notes in a collection is an op that the graph does not have.
_SHARED_COLLECTIONS = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES)


class ConcreteFunction:
    """A function of the library, for one kind of arguments. It is called with the tensors among them."""

    def __init__(self, body: Part, structured_input_signature: Any) -> None:
        self.graph = body
        self.structured_input_signature = structured_input_signature

    @property
    def name(self) -> str:
        return self.graph.function_name

    @property
    def inputs(self) -> list[Tensor]:
        """The arguments in the body, with those that stand for tensors outside."""
        return list(self.graph.arguments)

    @property
    def outputs(self) -> list[Tensor]:
        return list(self.graph.results)

    @property
    def captured_inputs(self) -> list[Tensor]:
        """The tensors outside that each call passes after its arguments."""
        return self.graph.captured

    @property
    def structured_outputs(self) -> Any:
        return self.graph.structure

    @property
    def output_dtypes(self) -> Any:
        return map_structure(lambda t: t.dtype, self.graph.structure, expand_composites=True)

    @property
    def output_shapes(self) -> Any:
        return map_structure(lambda t: t.shape, self.graph.structure, expand_composites=True)

    @property
    def function_def(self) -> Any:
        """The function as TF's `FunctionDef`."""
        return to_function_def(self.graph)

    def add_to_graph(self, g: Any = None) -> None:
        """Make the function part of the library of `g`, by default the default graph."""
        (g or get_default_graph())._functions[self.name] = self.graph

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [*flatten(args, expand_composites=True), *flatten(kwargs, expand_composites=True)]
        return self.call([t for t in given if isinstance(t, Tensor)])

    def call(self, tensors: Sequence[Tensor]) -> Any:
        body = self.graph
        count = len(body.arguments) - len(body.captured)
        if len(tensors) != count:
            raise ValueError(f"All inputs to {self.name} must be Tensors: it takes {count}, got {len(tensors)}")
        self.add_to_graph()
        op = raw_op("StatefulPartitionedCall" if body.does_something else "PartitionedCall")
        with controls_of((body,)):
            made = op([*tensors, *body.captured], [t.dtype for t in body.results], self.name)
        if not body.results:
            return made
        outputs = list(made) if isinstance(made, list | tuple) else [made]
        for t, result in zip(outputs, body.results, strict=True):
            t.static_shape, t._handle_data = result.static_shape, result._handle_data
        return packed(body.structure, outputs)


class Function:
    """A Python function that `tf.function` decorates."""

    def __init__(self, python_function: Callable[..., Any], input_signature: Any = None) -> None:
        functools.update_wrapper(self, python_function)
        self._python = python_function
        self._signature = None if input_signature is None else tuple(input_signature)
        self._was_traced = False

    @property
    def python_function(self) -> Callable[..., Any]:
        return self._python

    @property
    def input_signature(self) -> Any:
        return self._signature

    def __get__(self, instance: Any, owner: Any) -> Any:
        """The function of a method: each instance has its own."""
        if instance is None:
            return self
        name = f"_function_{self._python.__name__}_{id(self)}"
        try:
            found = instance.__dict__.get(name)
        except AttributeError:
            return Function(self._python.__get__(instance, owner), self._signature)
        if found is None:
            found = instance.__dict__[name] = Function(self._python.__get__(instance, owner), self._signature)
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        concrete, tensors = self._traced(args, kwargs)
        return concrete.call(tensors)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The function for arguments of this kind; a `tf.TensorSpec` may stand in the place of a tensor."""
        if self._signature is not None and not args and not kwargs:
            args = self._signature
        concrete, _ = self._traced(args, kwargs)
        return concrete

    # From arguments to the function for them

    def _traced(self, args: Any, kwargs: Any) -> tuple[ConcreteFunction, list[Tensor]]:
        args, kwargs = self._bound(args, kwargs)
        structure = [list(args), kwargs]
        flat = [constant(x) if isinstance(x, np.ndarray) else x for x in flatten(structure, expand_composites=True)]
        specs = [_spec_of(x) for x in flat]
        if self._signature is not None:
            flat, specs = self._as_signature(flat, specs)
        form = repr(map_structure(lambda x: type(x).__name__ if isinstance(x, CompositeTensor) else "", structure))
        key = (form, *(_key_of(x, spec) for x, spec in zip(flat, specs, strict=True)))
        made = get_default_graph()._attachments.setdefault("traced functions", {}).setdefault(self, {})
        if key not in made:
            made[key] = self._trace(structure, flat, specs), flat  # what is known by its identity has to live on
        return made[key][0], [x for x in flat if isinstance(x, Tensor)]

    def _bound(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """The arguments by position, with defaults, as far as the Python function names them."""
        bound = inspect.signature(self._python).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, dict(bound.kwargs)

    def _as_signature(self, flat: list[Any], specs: list[Any]) -> tuple[list[Any], list[Any]]:
        """The first values as tensors of the types that the signature says, and its specs for them."""
        wanted = flatten(list(self._signature or ()), expand_composites=True)
        if len(flat) < len(wanted):
            raise ValueError(
                f"Structure of Python function inputs does not match input_signature:\n  inputs: {flat}\n"
                f"  input_signature: {self._signature}"
            )
        tensors = []
        for x, spec in zip(flat, wanted, strict=False):
            tensors.append(x if isinstance(x, TensorSpec) else convert_to_tensor(x))
            if not spec.is_compatible_with(tensors[-1]):
                raise ValueError(
                    f"Python inputs incompatible with input_signature:\n  inputs: {flat}\n"
                    f"  input_signature: {self._signature}"
                )
        return [*tensors, *flat[len(wanted) :]], [*wanted, *specs[len(wanted) :]]

    def _trace(self, structure: Any, flat: list[Any], specs: list[Any]) -> ConcreteFunction:
        label = getattr(self._python, "__name__", type(self._python).__name__).strip("<>")
        body = Part(f"__inference_{label}_{next(_numbers)}", get_default_graph(), label)
        body.orders_effects = True
        names = _names_of(self._python, structure)
        arguments = [
            (spec.dtype, spec.shape._sizes, name, getattr(x, "_handle_data", None))
            for x, spec, name in zip(flat, specs, names, strict=True)
            if spec is not None
        ]

        def called(*given: Any) -> Any:
            values = iter(given)
            inner = [x if spec is None else next(values) for x, spec in zip(flat, specs, strict=True)]
            args, kwargs = pack_sequence_as(structure, inner, expand_composites=True)
            return self._python(*args, **kwargs)

        def create(following: Any, **kwargs: Any) -> Any:
            if self._was_traced:
                raise ValueError("tf.function-decorated function tried to create variables on non-first call.")
            return following(**kwargs)

        creators = body._variable_creator_stack
        body._variable_creator_stack = [*creators, (200, create)]
        outside = body._collections
        body._collections = {key: list(items) for key, items in outside.items()}
        body.build(called, arguments, None)
        outside.update({key: body._collections[key] for key in _SHARED_COLLECTIONS if key in body._collections})
        body._variable_creator_stack = creators
        self._was_traced = True
        made = ConcreteFunction(body, (tuple(structure[0]), structure[1]))
        made.add_to_graph()
        return made


def _spec_of(x: Any) -> TensorSpec | None:
    if isinstance(x, TensorSpec):
        return x
    return TensorSpec(x.shape, x.dtype.base_dtype) if isinstance(x, Tensor) else None


def _key_of(x: Any, spec: TensorSpec | None) -> Any:
    """What tells whether a function made for one argument serves for another."""
    if spec is not None:
        return spec.dtype, spec.shape._sizes
    try:
        hash(x)
    except TypeError:
        return type(x), id(x)
    return (type(x), id(x)) if isinstance(x, Variable) else (type(x), x)


def _names_of(function: Callable[..., Any], structure: Any) -> list[str]:
    """A name for each value of `structure`: that of the parameter it is, or is a part of."""
    args, kwargs = structure
    named = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    named += [named[-1] if named else "arg"] * (len(args) - len(named))
    found = []
    for name, value in [*zip(named, args, strict=False), *sorted(kwargs.items())]:
        found += [name] * len(flatten([value], expand_composites=True))
    return found


@public("function")
def function(
    func: Callable[..., Any] | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    experimental_implements: str | None = None,
    experimental_autograph_options: Any = None,
    experimental_relax_shapes: bool = False,
    experimental_compile: bool | None = None,
) -> Any:
    """Decorator: make functions of the graph's library out of a Python function of tensors.

    Args:
        func: the function. Without it, the decorator is given.
        input_signature: a list of `tf.TensorSpec`, one for each argument: one function then serves for all of that
            kind.
        autograph, experimental_*: accepted for TF's signature. Python's `if` and `while` on tensors are not rewritten,
            and everything a session runs is compiled anyway.

    Returns:
        A callable: in a graph, a call of it is one op, `PartitionedCall` or, if it has effects,
        `StatefulPartitionedCall`.

    Raises:
        ValueError: by a call, if it makes variables and is not the first one, or its arguments do not fit the
            signature.

    >>> double = tf.function(lambda x: x * 2)
    >>> sess.run(double(tf.constant(21)))
    42
    """
    if func is None:
        return functools.partial(Function, input_signature=input_signature)
    return Function(func, input_signature)
