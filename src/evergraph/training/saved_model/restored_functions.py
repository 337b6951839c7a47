"""Functions of a SavedModel's objects: called with tensors, they call functions of the graph's library."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec, TypeSpec
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import Variable
from evergraph.training.saved_model.structures import NotEncodableError, decoded
from evergraph.training.tracking.trackable import Trackable


class LibraryFunction:
    """A function of the library, with what it captures, and the structures of its arguments and results.

    Args:
        signature: its `OpDef`.
        structured_input_signature: the arguments by position and those by keyword, with specs in the place of tensors.
        structured_outputs: the results, with specs in the place of tensors, and None for an op.
    """

    def __init__(self, signature: Any, structured_input_signature: Any, structured_outputs: Any) -> None:
        self.name = signature.name
        self._result_types = [dtypes.as_dtype(arg.type) for arg in signature.output_arg]
        self._argument_names = [arg.name for arg in signature.input_arg]
        self.structured_input_signature = structured_input_signature
        self.structured_outputs = structured_outputs
        self.problem = ""  # why it cannot be called
        self.captures: list[Any] = []

    @classmethod
    def of_message(cls, signature: Any, saved: Any) -> LibraryFunction:
        """The function that a `SavedConcreteFunction` describes."""
        try:
            given, outputs = decoded(saved.canonicalized_input_signature), decoded(saved.output_signature)
        except NotEncodableError as error:
            made = cls(signature, None, None)
            made.problem = str(error)
            return made
        return cls(signature, given, outputs)

    @property
    def captured_inputs(self) -> list[Any]:
        return list(self.captures)

    @property
    def arguments(self) -> dict[str, TensorSpec]:
        """The specs of the tensors that it takes, by what they are called."""
        specs = [x for x in nest.flatten(self.structured_input_signature) if isinstance(x, TensorSpec)]
        return {spec.name or name: spec for spec, name in zip(specs, self._argument_names, strict=False)}

    def call(self, tensors: Sequence[Any]) -> Any:
        """The results for these arguments.

        Raises:
            ValueError: if the function's signature has something that is not known here.
        """
        if self.problem:
            raise ValueError(f"the function {self.name!r} cannot be called here: {self.problem}")
        made = raw_op("StatefulPartitionedCall")([*tensors, *self.captures], self._result_types, self.name)
        if not self._result_types:
            return made
        return _packed(self.structured_outputs, list(made) if isinstance(made, list | tuple) else [made])


def _packed(structure: Any, tensors: list[Any]) -> Any:
    """`tensors` in the form of a structure of specs."""
    values = iter(tensors)

    def value_of(spec: Any) -> Any:
        if isinstance(spec, TensorSpec):
            t = next(values)
            t.set_shape(spec.shape)
            return t
        if isinstance(spec, TypeSpec):
            parts = [value_of(part) for part in nest.flatten(spec._component_specs)]
            return spec._from_components(nest.pack_sequence_as(spec._component_specs, parts))
        return spec

    return nest.map_structure(value_of, structure)


class RestoredFunction(Trackable):
    """A `tf.function` of a SavedModel: of the functions made of it, the one that fits the arguments is called.

    Args:
        saved: its `SavedFunction`.
        functions: all functions of the SavedModel.
    """

    def __init__(self, saved: Any, functions: dict[str, LibraryFunction]) -> None:
        self.concrete_functions = [functions[name] for name in saved.concrete_functions]
        try:
            spec = decoded(saved.function_spec.fullargspec)
        except NotEncodableError:  # a default value that is not known here
            spec = None
        self._is_method = bool(getattr(spec, "args", None)) and saved.function_spec.is_method
        self._spec = spec
        self.function_spec = saved.function_spec
        try:
            self.input_signature = decoded(saved.function_spec.input_signature)
        except NotEncodableError:  # it was saved without
            self.input_signature = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        Raises:
            ValueError: if no function fits; it says what they take.
        """
        given = self._bound(args, kwargs)
        for function in self.concrete_functions:
            tensors = None if function.problem else _matched(given, function.structured_input_signature)
            if tensors is not None:
                return function.call(tensors)
        if not self.concrete_functions:
            raise ValueError(
                "Found zero restored functions for caller function: it was never called before it was saved."
            )
        options = "\n".join(
            f"  Option {i}: {f.problem or f.structured_input_signature}"
            for i, f in enumerate(self.concrete_functions, 1)
        )
        raise ValueError(
            "Could not find matching function to call loaded from the SavedModel. Got:\n"
            f"  Positional arguments: {args}\n"
            f"  Keyword arguments: {kwargs}\nExpected arguments to match one of the following:\n{options}"
        )

    @property
    def __signature__(self) -> inspect.Signature:
        """The arguments as the saved Python function names them, for `inspect.signature` and `help`."""
        spec, kinds = self._spec, inspect.Parameter
        if spec is None:
            return inspect.signature(type(self).__call__)
        names = list(spec.args or ())[1 if self._is_method else 0 :]
        defaults = dict(zip(reversed(names), reversed(spec.defaults or ()), strict=False))
        found = [kinds(n, kinds.POSITIONAL_OR_KEYWORD, default=defaults.get(n, kinds.empty)) for n in names]
        if spec.varargs:
            found.append(kinds(spec.varargs, kinds.VAR_POSITIONAL))
        only = dict(spec.kwonlydefaults or {})
        found += [kinds(n, kinds.KEYWORD_ONLY, default=only.get(n, kinds.empty)) for n in spec.kwonlyargs or ()]
        if spec.varkw:
            found.append(kinds(spec.varkw, kinds.VAR_KEYWORD))
        return inspect.Signature(found)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> SignatureFunction:
        """The function for arguments of this kind, specs or tensors; the only one if none are given."""
        if not args and not kwargs and len(self.concrete_functions) == 1:
            return _with_names(self.concrete_functions[0])
        given = self._bound(args, kwargs)
        for function in self.concrete_functions:
            if not function.problem and _matched(given, function.structured_input_signature) is not None:
                return _with_names(function)
        raise ValueError(f"no function of the SavedModel takes {args} and {kwargs}")

    def _bound(self, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position, with defaults, and those that go by keyword alone."""
        spec = self._spec
        if spec is None:
            return args, kwargs
        names = list(getattr(spec, "args", None) or ())[1 if self._is_method else 0 :]
        defaults = dict(zip(reversed(names), reversed(getattr(spec, "defaults", None) or ()), strict=False))
        only = dict(getattr(spec, "kwonlydefaults", None) or {})
        if len(args) > len(names) and not getattr(spec, "varargs", None):
            raise TypeError(f"the function takes {len(names)} arguments ({', '.join(names)}), not {len(args)}")
        rest = dict(kwargs)
        bound = list(args[: len(names)])
        for name in names[len(args) :]:
            if name in rest:
                bound.append(rest.pop(name))
            elif name in defaults:
                bound.append(defaults[name])
            else:
                raise TypeError(f"the function's argument {name!r} is missing")
        return self._converted((*bound, *args[len(names) :])), {**only, **rest}

    def _converted(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Lists as tensors, where the function was saved with an input signature that says so."""
        found = list(args)
        for i, spec in enumerate((self.input_signature or ())[: len(found)]):
            if isinstance(spec, TensorSpec) and isinstance(found[i], list | tuple):
                found[i] = convert_to_tensor(found[i], dtype=spec.dtype)
        return tuple(found)


def _with_names(function: LibraryFunction) -> SignatureFunction:
    return SignatureFunction(function, list(function.arguments), len(function.arguments))


def _matched(given: Any, signature: Any) -> list[Any] | None:
    """The tensors among arguments, as a signature asks for them; None if they do not fit."""
    try:
        nest.assert_same_structure(_plain(given), _plain(signature), check_types=False)
    except (TypeError, ValueError):
        return None
    tensors: list[Any] = []
    for value, spec in zip(nest.flatten(_plain(given)), nest.flatten(_plain(signature)), strict=True):
        if isinstance(spec, TensorSpec):
            tensor = _as_tensor(value, spec)
            if tensor is None:
                return None
            tensors.append(tensor)
        elif isinstance(spec, TypeSpec):
            if not spec.is_compatible_with(value):
                return None
            tensors.extend(nest.flatten(spec._to_components(value)))
        elif not _is_equal(value, spec):
            return None
    return tensors


def _plain(structure: Any) -> Any:
    """Lists and tuples alike, keys in order: what a message remembers of a structure."""
    if isinstance(structure, dict):
        return {key: _plain(structure[key]) for key in sorted(structure)}
    if isinstance(structure, list | tuple):
        return tuple(_plain(item) for item in structure)
    return structure


def _is_equal(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor | Variable | TypeSpec):
        return False
    found = value == other
    return found is True and type(value) is type(other) or value is other


def _as_tensor(value: Any, spec: TensorSpec) -> Any:
    if value is None or isinstance(value, TypeSpec | Tensor | Variable):
        if not isinstance(value, TensorSpec | Tensor | Variable):
            return None
        if value.dtype.base_dtype != spec.dtype or not spec.shape.is_compatible_with(value.shape):
            return None
        return value if isinstance(value, TensorSpec) else convert_to_tensor(value)
    try:
        tensor = convert_to_tensor(value, dtype=spec.dtype)
    except (TypeError, ValueError):
        return None
    return tensor if spec.shape.is_compatible_with(tensor.shape) else None


class SignatureFunction(Trackable):
    """A function that takes tensors by keyword: a signature of a SavedModel, which gives a dict of tensors.

    Args:
        function: the function of the library.
        keywords: what its arguments are called, in order.
        positional: how many may be given by position.
    """

    def __init__(self, function: LibraryFunction, keywords: Sequence[str], positional: int) -> None:
        self._function, self._keywords, self._positional = function, list(keywords), positional
        specs = nest.flatten(function.structured_input_signature)  # dicts by their keys, as the keywords are
        specs = [spec for spec in specs if isinstance(spec, TensorSpec)]
        self._specs = dict(zip(self._keywords, specs, strict=False))

    @property
    def allowed_positional_arguments(self) -> int:
        return self._positional

    @property
    def library_function(self) -> LibraryFunction:
        return self._function

    @property
    def arguments(self) -> dict[str, TensorSpec]:
        """The specs of the tensors that it takes, by keyword."""
        return dict(self._specs)

    def _wanted(self, name: str) -> TensorSpec | None:
        """What an argument has to be."""
        return self._specs.get(name)

    @property
    def name(self) -> str:
        return self._function.name

    @property
    def structured_input_signature(self) -> Any:
        return self._function.structured_input_signature

    @property
    def structured_outputs(self) -> Any:
        return self._function.structured_outputs

    @property
    def output_dtypes(self) -> Any:
        return nest.map_structure(lambda spec: spec and spec.dtype, self.structured_outputs)

    @property
    def output_shapes(self) -> Any:
        return nest.map_structure(lambda spec: spec and spec.shape, self.structured_outputs)

    @property
    def captured_inputs(self) -> list[Any]:
        return self._function.captured_inputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        Raises:
            TypeError: for arguments that are missing, or too many, or do not fit.
        """
        if len(args) > self._positional:
            raise TypeError(
                f"Expected at most {self._positional} positional arguments (and the rest keywords, of "
                f"{self._keywords}), got {args}."
            )
        named = dict(zip(self._keywords, args, strict=False))
        twice = sorted(named.keys() & kwargs.keys())
        named.update(kwargs)
        missing = [name for name in self._keywords if name not in named]
        extra = sorted(named.keys() - set(self._keywords))
        if twice or missing or extra:
            raise TypeError(
                f"the signature takes {self._keywords}; missing: {missing}, not known: {extra}, given twice: {twice}"
            )
        tensors = []
        for name in self._keywords:
            spec = self._wanted(name)
            tensor = convert_to_tensor(named[name]) if spec is None else _as_tensor(named[name], spec)
            if tensor is None:
                raise TypeError(f"the argument {name!r} of the signature is {spec}, got {named[name]!r}")
            tensors.append(tensor)
        return self._function.call(tensors)
