"""Command-line flags: `tf.flags`, `tf.app.flags`.

    tf.flags.DEFINE_integer("steps", 100, "how many steps to train")
    FLAGS = tf.flags.FLAGS
    FLAGS.steps

`--steps=5`, `--steps 5`, `-steps 5`; for booleans `--name`, `--noname` and `--name=false`. What follows `--` is no
flag. Flags are parsed when `tf.app.run` starts, or from `sys.argv` when one is first read. Classes, rules and messages
are those of TensorFlow 1.15.
"""

from __future__ import annotations

import csv
import enum
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from evergraph.framework.api import publish


class Error(Exception):
    """Something is wrong with a flag."""


class DuplicateFlagError(Error):
    """A flag is defined twice."""


class IllegalFlagValueError(Error):
    """A flag was given a value that it cannot have."""


class UnrecognizedFlagError(Error, AttributeError):
    """A flag is not defined."""

    def __init__(self, flagname: str, flagvalue: Any = "", suggestions: Sequence[str] = ()) -> None:
        self.flagname, self.flagvalue = flagname, flagvalue
        near = f". Did you mean: {', '.join(suggestions)} ?" if suggestions else ""
        super().__init__(f"Unknown command line flag '{flagname}'{near}")


class UnparsedFlagAccessError(Error):
    """A flag was read before the flags were parsed. Here reading one parses them, so this is never raised."""


class ValidationError(Error):
    """A validator refused the value of a flag."""


class CantOpenFlagFileError(Error):
    """A file of flags cannot be read."""


class FlagNameConflictsWithMethodError(Error):
    """A flag is called like a method of `FLAGS`."""


Parser = Callable[[Any], Any]


class Flag:
    """One flag: its `name`, `value`, `default` and `help`, and whether it is `present` on the command line."""

    def __init__(
        self,
        parser: Parser,
        name: str,
        default: Any,
        help: str | None,
        short_name: str | None = None,
        boolean: bool = False,
        multiple: bool = False,
    ) -> None:
        self.parser = parser
        self.name = name
        self.help = help or "(no help available)"
        self.short_name = short_name
        self.boolean = boolean
        self.multiple = multiple
        self.present = 0
        self.validators: list[tuple[Callable[[Any], Any], str]] = []
        self.default = self.value = None if default is None else self._parsed(default)

    def _parsed(self, text: Any) -> Any:
        try:
            if self.multiple:
                return [self.parser(one) for one in (text if isinstance(text, list | tuple) else [text])]
            return self.parser(text)
        except (TypeError, ValueError) as error:
            raise IllegalFlagValueError(f"flag --{self.name}={text}: {error}") from None

    def parse(self, text: Any) -> None:
        """Take the value that the command line gives."""
        parsed = self._parsed(text)
        self.value = [*self.value, *parsed] if self.multiple and self.present and parsed else parsed  # type: ignore[misc]  # of a list flag
        self.present += 1

    def unparse(self) -> None:
        """Go back to the default."""
        self.value = self.default
        self.present = 0

    def check(self) -> None:
        for validator, message in self.validators:
            try:
                fine = validator(self.value)
            except ValidationError as error:
                message, fine = str(error), False
            if not fine:
                raise IllegalFlagValueError(f"flag --{self.name}={self.value}: {message}")

    def help_text(self) -> str:
        names = f"--[no]{self.name}" if self.boolean else f"--{self.name}"
        if self.short_name:
            names = f"-{self.short_name},{names}"
        text = textwrap.fill(f"{names}: {self.help}", 80, initial_indent="  ", subsequent_indent="    ")
        if self.default is None:
            return text
        default = "'" + ",".join(map(str, self.default)) + "'" if isinstance(self.default, list) else repr(self.default)
        return f"{text}\n    (default: {default.lower() if self.boolean else default})"


class FlagValues:
    """All flags and their values: `FLAGS.name`. Reading a flag parses `sys.argv` first if nothing has been parsed."""

    def __init__(self) -> None:
        # Programs go through `FLAGS.__flags.items()`, so the table has this name.
        self.__dict__["__flags"] = {}
        self.__dict__["_parsed"] = False

    def _table(self) -> dict[str, Flag]:
        return self.__dict__["__flags"]

    def _define(self, flag: Flag, override: bool = False) -> None:
        table = self._table()
        for name in filter(None, (flag.name, flag.short_name)):
            if hasattr(type(self), name):
                raise FlagNameConflictsWithMethodError(
                    f"'{name}' cannot be the name of a flag: FLAGS.{name} is a method"
                )
            if name in table and not override:
                first = table[name]
                raise DuplicateFlagError(
                    f"The flag '{name}' is defined twice.  Description from first occurrence: {first.help}"
                )
            table[name] = flag

    def __getitem__(self, name: str) -> Flag:
        return self._table()[name]

    def __setitem__(self, name: str, flag: Flag) -> None:
        self._table()[name] = flag

    def __contains__(self, name: str) -> bool:
        return name in self._table()

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def __dir__(self) -> list[str]:
        return sorted(self._table())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        if not self._parsed:
            self(sys.argv)
        if name not in self._table():
            raise AttributeError(f"no flag {name!r} is defined{_near(name, self._table())}")
        return self._table()[name].value

    def __setattr__(self, name: str, value: Any) -> None:
        flag = self._table().get(name)
        if flag is None:
            raise UnrecognizedFlagError(name, value)
        flag.value = value
        flag.check()

    def __delattr__(self, name: str) -> None:
        if name not in self._table():
            raise AttributeError(name)
        del self._table()[name]

    def __call__(self, argv: Sequence[str], known_only: bool = False) -> list[str]:
        """Parse flags and give the arguments that are none.

        Args:
            argv: the name of the program, then its arguments.
            known_only: leave unknown flags among the arguments instead of refusing them.

        Raises:
            UnrecognizedFlagError, IllegalFlagValueError, Error: for an unknown flag, a bad value, a missing value.
        """
        left, unknown = self._parse(list(argv[1:]), known_only)
        self.__dict__["_parsed"] = True
        if unknown and not known_only and not asks_for_help(argv):
            raise UnrecognizedFlagError(unknown[0], "", get_close_matches(unknown[0], self._table(), 3))
        if not asks_for_help(argv):
            for flag in self._flags():
                flag.check()
        return [*argv[:1], *left]

    def _parse(self, arguments: list[str], known_only: bool) -> tuple[list[str], list[str]]:
        left: list[str] = []
        unknown: list[str] = []
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                left += [argument, *rest] if known_only else rest
                break
            if not argument.startswith("-") or argument == "-":
                left.append(argument)
                continue
            name, given, value = argument.removeprefix("-").removeprefix("-").partition("=")
            if name == "flagfile":
                path = value if given else next(rest, "")
                more, also_unknown = self._parse(_flag_file(path), known_only)
                left, unknown = left + more, unknown + also_unknown
                continue
            flag = self._table().get(name)
            if flag is None:
                negated = self._table().get(name.removeprefix("no")) if name.startswith("no") else None
                if negated is not None and negated.boolean and not given:
                    negated.parse("false")
                    continue
                if name == "undefok":
                    continue
                unknown.append(name)
                left.append(argument)
            elif given:
                flag.parse(value)
            elif flag.boolean:
                flag.parse("true")
            else:
                following = next(rest, None)
                if following is None:
                    raise Error(f"Missing value for flag {argument}")
                flag.parse(following)
        return left, unknown

    def _flags(self) -> list[Flag]:
        return list({id(flag): flag for flag in self._table().values()}.values())

    def flag_values_dict(self) -> dict[str, Any]:
        """Name to value of every flag."""
        return {name: flag.value for name, flag in self._table().items()}

    def is_parsed(self) -> bool:
        """Whether the flags have been parsed."""
        return self._parsed

    def mark_as_parsed(self) -> None:
        """Let flags be read with the values they have."""
        self.__dict__["_parsed"] = True

    def unparse_flags(self) -> None:
        """Go back to the defaults, as before anything was parsed."""
        for flag in self._flags():
            flag.unparse()
        self.__dict__["_parsed"] = False

    def set_default(self, name: str, value: Any) -> None:
        """Give a flag another default, and its value with it unless the command line has set that."""
        flag = self._table()[name]
        flag.default = None if value is None else flag._parsed(value)
        if not flag.present:
            flag.value = flag.default

    def get_flag_value(self, name: str, default: Any) -> Any:
        """The value of a flag, or `default` if it has none."""
        value = getattr(self, name)
        return default if value is None else value

    def flags_into_string(self) -> str:
        """The flags as they could be written on a command line, one a line."""
        lines = []
        for flag in self._flags():
            if flag.boolean and flag.value is not None:
                lines.append(f"--{'' if flag.value else 'no'}{flag.name}")
            elif flag.value is not None:
                value = ",".join(map(str, flag.value)) if isinstance(flag.value, list) else flag.value
                lines.append(f"--{flag.name}={value}")
        return "".join(f"{line}\n" for line in lines)

    def append_flags_into_file(self, filename: str) -> None:
        """Write the flags at the end of a file that `--flagfile` can read."""
        with open(filename, "a") as file:
            file.write(self.flags_into_string())

    def get_help(self, prefix: str = "", include_special_flags: bool = True) -> str:
        """What `--help` shows."""
        text = "\n".join(flag.help_text() for flag in self._flags())
        return f"\n{sys.argv[0]}:\n{textwrap.indent(text, prefix)}\n"

    def _parse_flags(self, args: Sequence[str] | None = None) -> None:
        self(sys.argv if args is None else ["", *args])


FLAGS = FlagValues()


def _chosen(flag_values: FlagValues | None) -> FlagValues:
    return FLAGS if flag_values is None else flag_values


def asks_for_help(argv: Sequence[str]) -> bool:
    """Whether the command line has one of the flags that only show help, and no flag of the program has its name."""
    before = list(argv[1 : list(argv).index("--")] if "--" in argv else argv[1:])
    names = {argument.lstrip("-") for argument in before if argument.startswith("-")}
    return any(name in names and name not in FLAGS for name in ("help", "helpshort", "helpfull", "?"))


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), 3)
    return f"; there are {', '.join(near)}" if near else ""


def _flag_file(path: str) -> list[str]:
    try:
        with open(os.path.expanduser(path)) as file:
            lines = [line.strip() for line in file]
    except OSError as error:
        raise CantOpenFlagFileError(f"ERROR:: Unable to open flagfile: {error}") from None
    return [line for line in lines if line and not line.startswith(("#", "//"))]


# What turns the text on the command line into a value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"value must be a string, found {type(value)}")
    return value


def _number(convert: Callable[[Any], Any], noun: str, lower: Any, upper: Any) -> Parser:
    def parse(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"expect argument to be a string or {noun.split()[-1]}, found {type(value)}")
        number = convert(value)
        if (lower is not None and number < lower) or (upper is not None and number > upper):
            raise ValueError(f"{value} is not {_range(noun, lower, upper)}")
        return number

    return parse


def _range(noun: str, lower: Any, upper: Any) -> str:
    known = {(1, None): "positive", (0, None): "non-negative", (None, -1): "negative", (None, 0): "non-positive"}
    kind = noun.split()[-1]
    if (lower, upper) in known:
        return f"a {known[lower, upper]} {kind}"
    if upper is None:
        return f"{noun} greater than or equal to {lower}"
    return f"{noun} less than or equal to {upper}" if lower is None else f"{noun} in the range [{lower}, {upper}]"


def _integer(value: Any) -> int:
    if isinstance(value, float):
        raise TypeError("expect argument to be a string or int, found float")
    if isinstance(value, str) and len(value) > 2 and value[0] == "0" and value[1] in "xXoO":
        return int(value, 16 if value[1] in "xX" else 8)
    return int(value)


def _boolean(value: Any) -> bool:
    text = str(value).lower() if isinstance(value, str | bool | int) else ""
    if text in ("true", "t", "1"):
        return True
    if text in ("false", "f", "0"):
        return False
    raise ValueError("Non-boolean argument to boolean flag", value)


def _one_of(values: Sequence[str], case_sensitive: bool) -> Parser:
    def parse(value: Any) -> str:
        same = [v for v in values if v == value or (not case_sensitive and v.lower() == str(value).lower())]
        if not same:
            raise ValueError(f"value should be one of <{'|'.join(values)}>")
        return same[0]

    return parse


def _enum_member(cls: type[enum.Enum]) -> Parser:
    def parse(value: Any) -> enum.Enum:
        if isinstance(value, cls):
            return value
        if value not in cls.__members__:
            raise ValueError(f"value should be one of <{'|'.join(cls.__members__)}>")
        return cls[value]

    return parse


def _comma_list(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return list(value)
    return [item.strip() for item in next(csv.reader([value], strict=True))] if value else []


def _space_list(value: Any) -> list[str]:
    return list(value) if isinstance(value, list | tuple) else (value or "").split()


# DEFINE_...

_OLD_NAMES = {"flag_name": "name", "default_value": "default", "docstring": "help"}


def _definition(kind: str, make: Callable[..., tuple[Parser, dict[str, Any]]], doc: str) -> Callable[..., None]:
    """`DEFINE_<kind>(name, default, help, ...)`: `make` gets the arguments that only this kind has."""

    def define(*args: Any, **kwargs: Any) -> None:
        kwargs = {_OLD_NAMES.get(key, key): value for key, value in kwargs.items()}
        for key, value in zip(
            ("name", "default", "help") if make is not _enum else ("name", "default", "enum_values", "help"), args
        ):
            kwargs[key] = value
        values = _chosen(kwargs.pop("flag_values", None))
        name, default, help = kwargs.pop("name"), kwargs.pop("default"), kwargs.pop("help", "")
        short_name, override = kwargs.pop("short_name", None), kwargs.pop("allow_override", False)
        for unused in ("module_name", "required", "allow_overwrite", "allow_hide_cpp", "allow_using_method_names"):
            kwargs.pop(unused, None)
        parser, options = make(**kwargs)
        values._define(Flag(parser, name, default, help, short_name, **options), override)

    define.__name__ = define.__qualname__ = f"DEFINE_{kind}"
    define.__doc__ = doc
    return define


def _enum(enum_values: Sequence[str], case_sensitive: bool = True) -> tuple[Parser, dict[str, Any]]:
    return _one_of(enum_values, case_sensitive), {}


def _ranged(convert: Callable[[Any], Any], noun: str, **options: Any) -> Callable[..., tuple[Parser, dict[str, Any]]]:
    return lambda lower_bound=None, upper_bound=None: (_number(convert, noun, lower_bound, upper_bound), options)


DEFINE_string = _definition("string", lambda: (_text, {}), "Define a flag that is a string.")
DEFINE_bool = DEFINE_boolean = _definition(
    "boolean", lambda: (_boolean, {"boolean": True}), "Define a flag that is true or false."
)
DEFINE_integer = _definition("integer", _ranged(_integer, "an integer"), "Define an integer flag, perhaps with bounds.")
DEFINE_float = _definition("float", _ranged(float, "a number"), "Define a flag that is a number, perhaps with bounds.")
DEFINE_enum = _definition(
    "enum", _enum, "Define a flag that is one of some words: `DEFINE_enum(name, default, words, help)`."
)
DEFINE_list = _definition(
    "list", lambda: (_comma_list, {}), "Define a flag that is a list, with commas between its items."
)
DEFINE_spaceseplist = _definition(
    "spaceseplist",
    lambda comma_compat=False: (_space_list, {}),
    "Define a flag that is a list, with spaces between its items.",
)
DEFINE_multi_string = _definition(
    "multi_string", lambda: (_text, {"multiple": True}), "Define a string flag that may be given often."
)
DEFINE_multi_integer = _definition(
    "multi_integer", _ranged(_integer, "an integer", multiple=True), "Define an integer flag that may be given often."
)
DEFINE_multi_float = _definition(
    "multi_float", _ranged(float, "a number", multiple=True), "Define a flag that is a number and may be given often."
)


def DEFINE_enum_class(
    name: str, default: Any, enum_class: type[enum.Enum], help: str, flag_values: Any = None, **kwargs: Any
) -> None:
    """Define a flag whose value is a member of an `enum.Enum`, given by its name."""
    _chosen(flag_values)._define(Flag(_enum_member(enum_class), name, default, help))


def DEFINE_multi_enum(
    name: str,
    default: Any,
    enum_values: Sequence[str],
    help: str,
    flag_values: Any = None,
    case_sensitive: bool = True,
    **kwargs: Any,
) -> None:
    """Define a flag that is one of some words and may be given often."""
    _chosen(flag_values)._define(Flag(_one_of(enum_values, case_sensitive), name, default, help, multiple=True))


def DEFINE_alias(name: str, original_name: str, flag_values: Any = None, module_name: str | None = None) -> None:
    """Give a flag a second name."""
    values = _chosen(flag_values)
    values._table()[name] = values._table()[original_name]


# Conditions on values


def register_validator(
    flag_name: str, checker: Callable[[Any], Any], message: str = "Flag validation failed", flag_values: Any = None
) -> None:
    """Refuse values of a flag for which `checker(value)` is false."""
    _chosen(flag_values)[flag_name].validators.append((checker, message))


def validator(flag_name: str, message: str = "Flag validation failed", flag_values: Any = None) -> Callable[[Any], Any]:
    """Decorate a function that says whether a value of the flag will do."""

    def declare(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        register_validator(flag_name, function, message, flag_values)
        return function

    return declare


def register_multi_flags_validator(
    flag_names: Sequence[str],
    multi_flags_checker: Callable[[dict[str, Any]], Any],
    message: str = "Flags validation failed",
    flag_values: Any = None,
) -> None:
    """Refuse values of several flags for which `multi_flags_checker({name: value})` is false."""
    values = _chosen(flag_values)

    def check(_: Any) -> Any:
        return multi_flags_checker({name: values[name].value for name in flag_names})

    values[flag_names[-1]].validators.append((check, message))


def mark_flag_as_required(flag_name: str, flag_values: Any = None) -> None:
    """Refuse to run without a value for the flag."""
    message = f"Flag --{flag_name} must have a value other than None."
    register_validator(flag_name, lambda value: value is not None, message, flag_values)


def mark_flags_as_required(flag_names: Sequence[str], flag_values: Any = None) -> None:
    """Refuse to run without a value for each of the flags."""
    for name in flag_names:
        mark_flag_as_required(name, flag_values)


def mark_flags_as_mutual_exclusive(flag_names: Sequence[str], required: bool = False, flag_values: Any = None) -> None:
    """Refuse more than one of the flags, and with `required` none of them."""

    def check(values: dict[str, Any]) -> bool:
        count = sum(value is not None for value in values.values())
        return count == 1 or (count == 0 and not required)

    few = "Exactly" if required else "At most"
    message = f"{few} one of ({', '.join(flag_names)}) must have a value other than None."
    register_multi_flags_validator(flag_names, check, message, flag_values)


def declare_key_flag(flag_name: str, flag_values: Any = None) -> None:
    """Do nothing: help shows all flags, not those of one module."""


def adopt_module_key_flags(module: Any, flag_values: Any = None) -> None:
    """Do nothing: help shows all flags, not those of one module."""


def disclaim_key_flags() -> None:
    """Do nothing: help shows all flags, not those of one module."""


def set_default(name: str, value: Any) -> None:
    """Give a flag another default."""
    FLAGS.set_default(name, value)


for _name, _thing in list(globals().items()):
    if _name.startswith("DEFINE_") or getattr(_thing, "__module__", "") == __name__ and not _name.startswith("_"):
        publish(f"flags.{_name}", _thing)
publish("flags.FLAGS", FLAGS)
