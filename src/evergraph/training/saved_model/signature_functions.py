"""The signatures of an object to be saved: functions of the library from tensors by name to a dict of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from evergraph.framework import nest
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.functions.traced_function import ConcreteFunction, Function
from evergraph.training.saved_model.constants import DEFAULT_SERVING_SIGNATURE_DEF_KEY
from evergraph.training.saved_model.restored_functions import LibraryFunction, RestoredFunction, SignatureFunction

_PREFERRED = "_default_save_signature"


class SignatureOf(NamedTuple):
    """A signature: its function, and the specs of the arguments by name."""

    function: Any
    specs: dict[str, TensorSpec]


def signatures_of(functions: dict[str, Any], given: Any) -> dict[str, SignatureOf]:
    """The signatures to save.

    Args:
        functions: those of the object, by the names of attributes.
        given: what the program said: nothing, a function, or a dict of functions.

    Raises:
        ValueError: for what cannot be a signature.
    """
    if given is None:
        found = {name: concrete for name, f in functions.items() if (concrete := _concrete(f)) is not None}
        if _PREFERRED in found:
            given = found[_PREFERRED]
        elif len(found) == 1:
            (given,) = found.values()
        else:
            return {}
    if not isinstance(given, Mapping):
        given = {DEFAULT_SERVING_SIGNATURE_DEF_KEY: given}
    made = {}
    for key, function in given.items():
        concrete = _concrete(function)
        if concrete is None:
            raise ValueError(
                f"Expected a TensorFlow function to generate a signature for, but got {function}. Only `tf.functions` "
                "with an input signature or concrete functions can be used as a signature."
            )
        made[key] = _signature(key, concrete)
    return made


def _concrete(function: Any) -> Any:
    if isinstance(function, Function) and function.input_signature is not None:
        return function.get_concrete_function()
    if isinstance(function, RestoredFunction) and function.input_signature is not None:
        return function.get_concrete_function()
    return function if isinstance(function, ConcreteFunction | LibraryFunction | SignatureFunction) else None


def _signature(key: str, concrete: Any) -> SignatureOf:
    function, names = arguments_of(concrete)
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(
                f"Got non-flat/non-unique argument names for SavedModel signature '{key}': more than one argument to "
                f"'{concrete.name}' was named '{name}'. Signatures have one Tensor per named input, so to have "
                "predictable names Python functions used to generate these signatures should avoid *args and Tensors "
                "in nested structures unless unique names are specified for each."
            )
    if isinstance(function, ConcreteFunction):
        arguments: Any = function.inputs[: len(names)]
    else:
        arguments = concrete.arguments.values()
    specs = {name: TensorSpec(t.shape, t.dtype, name) for name, t in zip(names, arguments, strict=True)}

    def signature_wrapper(**tensors: Any) -> dict[str, Any]:
        return _as_dict(function.call([tensors[name] for name in names]), concrete.name, key)

    return SignatureOf(Function(signature_wrapper).get_concrete_function(**specs), specs)


def arguments_of(concrete: Any) -> tuple[Any, list[str]]:
    """The function that is called, and what its arguments are called: as their specs say, or like the parameters."""
    if isinstance(concrete, SignatureFunction):
        return concrete.library_function, list(concrete.arguments)
    if isinstance(concrete, LibraryFunction):
        return concrete, list(concrete.arguments)
    count = len(concrete.inputs) - len(concrete.captured_inputs)
    given = [x for x in nest.flatten(concrete.structured_input_signature) if isinstance(x, TensorSpec | Tensor)]
    own = [t.op.name for t in concrete.inputs[:count]]
    if len(given) != count:
        return concrete, own
    return concrete, [
        x.name if isinstance(x, TensorSpec) and x.name else name for x, name in zip(given, own, strict=True)
    ]


def _as_dict(outputs: Any, function: str, key: str) -> dict[str, Any]:
    if outputs is None or isinstance(outputs, Operation):
        return {}
    if isinstance(outputs, Mapping):
        for name, value in outputs.items():
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"Got a dictionary containing non-Tensor value {value} for key {name} in the output of the "
                    f"function {function} used to generate a SavedModel signature. Dictionaries outputs for functions "
                    "used as signatures should have one Tensor output per string key."
                )
        return dict(outputs)
    several = outputs if isinstance(outputs, list | tuple) else [outputs]
    if not all(isinstance(value, Tensor) for value in several):
        raise ValueError(
            f"Got non-flat outputs '{outputs}' from '{function}' for SavedModel signature '{key}'. Signatures have one "
            "Tensor per output, so to have predictable names Python functions used to generate these signatures should "
            "avoid outputting Tensors in nested structures."
        )
    return {f"output_{i}": value for i, value in enumerate(several)}
