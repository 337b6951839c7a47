"""`tf.contrib.training.HParams`: named numbers, strings and lists of a model, each of a fixed type."""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Callable
from typing import Any, NoReturn

from evergraph.framework.api import public

_ASSIGNMENT = re.compile(
    r"""
    (?P<name>[a-zA-Z][\w\.]*)        # the name
    (\[\s*(?P<index>\d+)\s*\])?      # perhaps an index
    \s*=\s*
    ((?P<val>[^,\[]*)                # one value
     |
     \[(?P<vals>[^\]]*)\])           # or a list of values
    ($|,\s*)""",
    re.VERBOSE,
)


def _unparsable(name: str, type_: type, value: str, values: str) -> NoReturn:
    raise ValueError(f"Could not parse hparam '{name}' of type '{type_.__name__}' with value '{value}' in {values}")


def _assigned_twice(name: str, values: str) -> NoReturn:
    raise ValueError(f"Multiple assignments to variable '{name}' in {values}")


def _parser(name: str, type_: type, values: str) -> Callable[[str], Any]:
    if type_ is not bool:
        return type_

    def parse_bool(value: str) -> bool:
        if value in ("true", "True"):
            return True
        if value in ("false", "False"):
            return False
        try:
            return bool(int(value))
        except ValueError:
            _unparsable(name, type_, value, values)

    return parse_bool


def _put_one(results: dict[str, Any], name: str, index: str | None, parsed: Any, values: str) -> None:
    if not index:
        if name in results:
            _assigned_twice(name, values)
        results[name] = parsed
        return
    elements = results.setdefault(name, {})
    if not isinstance(elements, dict):
        _assigned_twice(name, values)
    if int(index) in elements:
        _assigned_twice(f"{name}[{int(index)}]", values)
    elements[int(index)] = parsed


@public("contrib.training.parse_values")
def parse_values(values: str, type_map: dict[str, type], ignore_unknown: bool = False) -> dict[str, Any]:
    """The assignments of "a=1,b=[2,3],c[0]=4" by name, each value of the type that `type_map` gives."""
    results: dict[str, Any] = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if not match:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = match.end()
        name = match["name"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        type_ = type_map[name]
        parse = _parser(name, type_, values)
        if match["val"] is not None:
            try:
                parsed = parse(match["val"])
            except ValueError:
                _unparsable(name, type_, match["val"], values)
            _put_one(results, name, match["index"], parsed, values)
            continue
        if match["index"] is not None:
            raise ValueError("Assignment of a list to a list index.")
        if name in results:
            _assigned_twice(name, values)
        try:
            results[name] = [parse(element) for element in re.split("[ ,]", match["vals"]) if element]
        except ValueError:
            _unparsable(name, type_, match["vals"], values)
    return results


def _cast(name: str, type_: type[Any], value: Any) -> Any:
    if type(value) is type_ or issubclass(type_, type(None)):
        return value
    refused = (
        (issubclass(type_, (str, bytes)) and not isinstance(value, (str, bytes)))
        or issubclass(type_, bool) != isinstance(value, bool)
        or (issubclass(type_, numbers.Integral) and not isinstance(value, numbers.Integral))
        or (issubclass(type_, numbers.Number) and not isinstance(value, numbers.Number))
    )
    if refused:
        raise ValueError(f"Could not cast hparam '{name}' of type '{type_}' from value {value!r}")
    return type_(value)


@public("contrib.training.HParams")
class HParams:
    """Hyperparameters as attributes. The type of each is that of its first value."""

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def:
            raise NotImplementedError("HParams cannot be read from an HParamDef message")
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add a hyperparameter under a name that is not an attribute yet."""
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._hparam_types[name] = (type(value[0]), True)
        else:
            self._hparam_types[name] = (type(value), False)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Give a hyperparameter another value of its type."""
        type_, is_list = self._hparam_types[name]
        if isinstance(value, list):
            if not is_list:
                raise ValueError(f"Must not pass a list for single-valued parameter: {name}")
            setattr(self, name, [_cast(name, type_, element) for element in value])
        else:
            if is_list:
                raise ValueError(f"Must pass a list for multi-valued parameter: {name}.")
            setattr(self, name, _cast(name, type_, value))

    def del_hparam(self, name: str) -> None:
        """Remove a hyperparameter, if there is one of the name."""
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> HParams:
        """Set the hyperparameters that "a=1,b=2" assigns."""
        return self.override_from_dict(
            parse_values(values, {name: type_ for name, (type_, _) in self._hparam_types.items()})
        )

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Set the hyperparameters of the dictionary."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def set_from_map(self, values_map: dict[str, Any]) -> HParams:
        """The earlier name of `override_from_dict`."""
        return self.override_from_dict(values_map)

    def set_model_structure(self, model_structure: Any) -> None:
        """Keep the structure of the model."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """The structure of the model that was kept."""
        return self._model_structure

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """The values as JSON."""
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def parse_json(self, values_json: str) -> HParams:
        """Set the hyperparameters of a JSON object."""
        return self.override_from_dict(json.loads(values_json))

    def values(self) -> dict[str, Any]:
        """The values by name."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a hyperparameter, or the default, which must be of its type."""
        if key not in self._hparam_types:
            return default
        if default is not None:
            type_, is_list = self._hparam_types[key]
            shown = f"list<{type_}>" if is_list else str(type_)
            message = f"Hparam '{key}' of type '{shown}' is incompatible with default={default}"
            if is_list != isinstance(default, list):
                raise ValueError(message)
            try:
                for value in default if is_list else [default]:
                    _cast(key, type_, value)
            except ValueError as error:
                raise ValueError(f"{message}. {error}") from error
        return getattr(self, key)

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.values().items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self.values().items())})"
