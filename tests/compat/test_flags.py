"""Flags: what TensorFlow 1.15 was seen to do with the same definitions and command lines."""

import enum
import subprocess
import sys

import pytest

from evergraph.compat import flags

Illegal, Unrecognized = flags.IllegalFlagValueError, flags.UnrecognizedFlagError


@pytest.fixture
def values():
    made = flags.FlagValues()
    flags.DEFINE_string("name", "d", "a text", flag_values=made, short_name="n")
    flags.DEFINE_integer("steps", 3, "how many", lower_bound=0, flag_values=made)
    flags.DEFINE_float("rate", 0.5, "how fast", flag_values=made)
    flags.DEFINE_boolean("big", True, "whether", flag_values=made)
    flags.DEFINE_enum("kind", "a", ["a", "b"], "which", flag_values=made)
    flags.DEFINE_list("parts", ["x", "y"], "some", flag_values=made)
    return made


DEFAULTS = {"name": "d", "n": "d", "steps": 3, "rate": 0.5, "big": True, "kind": "a", "parts": ["x", "y"]}


@pytest.mark.parametrize(
    ("arguments", "left", "changed"),
    [
        (
            ["--name=foo", "--steps", "7", "--nobig", "pos"],
            ["pos"],
            {"name": "foo", "n": "foo", "steps": 7, "big": False},
        ),
        (["--rate=1e-3"], [], {"rate": 0.001}),
        (["-name", "z", "--big=false"], [], {"name": "z", "n": "z", "big": False}),
        (["-n", "z"], [], {"name": "z", "n": "z"}),
        (["--big", "true"], ["true"], {}),
        (["--parts=a,b,c"], [], {"parts": ["a", "b", "c"]}),
        (["--", "--name=1"], ["--name=1"], {}),
        (["pos", "--steps=4"], ["pos"], {"steps": 4}),
        (["--steps=0x10"], [], {"steps": 16}),
    ],
)  # fmt: skip
def test_command_lines(values, arguments, left, changed):
    assert values(["program", *arguments]) == ["program", *left]
    assert values.flag_values_dict() == {**DEFAULTS, **changed}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--unknown=1"], Unrecognized, "Unknown command line flag 'unknown'"),
        (["--nosteps"], Unrecognized, "Unknown command line flag 'nosteps'. Did you mean: steps ?"),
        (["--step=1"], Unrecognized, "Unknown command line flag 'step'. Did you mean: steps ?"),
        (["--steps=abc"], Illegal, "flag --steps=abc: invalid literal for int() with base 10: 'abc'"),
        (["--steps=-1"], Illegal, "flag --steps=-1: -1 is not a non-negative integer"),
        (["--kind=c"], Illegal, "flag --kind=c: value should be one of <a|b>"),
        (["--name"], flags.Error, "Missing value for flag --name"),
        (["--rate=x"], Illegal, "flag --rate=x: could not convert string to float: 'x'"),
        (["--big=maybe"], Illegal, "flag --big=maybe: ('Non-boolean argument to boolean flag', 'maybe')"),
    ],
)  # fmt: skip
def test_mistakes(values, arguments, error, message):
    with pytest.raises(error) as caught:
        values(["program", *arguments])
    assert str(caught.value) == message


def test_unknown_flags_may_be_left_for_the_program(values):
    assert values(["program", "--unknown=1", "--steps=4"], known_only=True) == ["program", "--unknown=1"]
    assert values.steps == 4


def test_reading_a_flag_parses_the_command_line(values, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "--steps=9"])
    assert not values.is_parsed()
    assert values.steps == 9
    assert values.is_parsed()


def test_flags_can_be_set_and_undefined_ones_cannot(values):
    values(["program"])
    values.steps = 9
    assert values.steps == 9 and values["steps"].value == 9
    with pytest.raises(flags.UnrecognizedFlagError):
        values.other = 1
    with pytest.raises(AttributeError):
        values.other
    assert "steps" in values and "other" not in values
    assert getattr(values, "__flags")["steps"].value == 9


def test_a_flag_is_defined_once(values):
    with pytest.raises(flags.DuplicateFlagError, match="The flag 'name' is defined twice"):
        flags.DEFINE_string("name", "x", "again", flag_values=values)


def test_required_flags_and_validators(values):
    flags.DEFINE_string("data", None, "where", flag_values=values)
    flags.mark_flag_as_required("data", flag_values=values)
    flags.register_validator("steps", lambda n: n % 2, "must be odd", flag_values=values)
    with pytest.raises(flags.IllegalFlagValueError, match="Flag --data must have a value other than None"):
        values(["program"])
    with pytest.raises(flags.IllegalFlagValueError, match="flag --steps=4: must be odd"):
        values(["program", "--data=x", "--steps=4"])
    values(["program", "--data=x", "--steps=5"])


def test_other_kinds_of_flags(values):
    class Colour(enum.Enum):
        RED = 1

    flags.DEFINE_multi_string("add", [], "more", flag_values=values)
    flags.DEFINE_multi_integer("number", [1], "more", flag_values=values)
    flags.DEFINE_enum_class("colour", Colour.RED, Colour, "which", flag_values=values)
    flags.DEFINE_spaceseplist("words", "a b", "some", flag_values=values)
    flags.DEFINE_string(flag_name="old", default_value="o", docstring="old names", flag_values=values)
    values(["program", "--add=a", "--add=b", "--number=5"])
    assert (values.add, values.number, values.colour, values.words) == (["a", "b"], [5], Colour.RED, ["a", "b"])
    assert values.old == "o"


def test_a_file_of_flags(values, tmp_path):
    file = tmp_path / "flags.txt"
    file.write_text("# comment\n--steps=8\n--nobig\n")
    values(["program", f"--flagfile={file}"])
    assert (values.steps, values.big) == (8, False)
    assert "--steps=8\n--rate=0.5\n--nobig\n" in values.flags_into_string()


PROGRAM = """
import evergraph as tf
tf.app.flags.DEFINE_integer("steps", 3, "how many steps")
FLAGS = tf.flags.FLAGS
def main(argv):
    print(FLAGS.steps, argv[1:])
    return 4
if __name__ == "__main__":
    tf.app.run()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "output", "error"),
    [
        (["--steps=5", "x"], 4, "5 ['x']\n", ""),
        (["--other=5"], 4, "3 ['--other=5']\n", ""),
        (["--steps=x"], 1, "", "FATAL Flags parsing error: flag --steps=x: invalid literal"),
        (["--help"], 1, "--steps: how many steps\n    (default: 3)", ""),
    ],
)
def test_app_run(arguments, code, output, error):
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert output in done.stdout
    assert error in done.stderr
