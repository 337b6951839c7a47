"""The examples in docs/files.md run, and its commands are there."""

import re
from pathlib import Path

import pytest

import evergraph as tf
from evergraph.cli.main import commands

TEXT = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default():
        exec(compile(EXAMPLES[number], f"files.md example {number}", "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out.splitlines()
    for line, comment in zip(printed[-2:], re.findall(r"\)  # (.*)", EXAMPLES[number]), strict=False):
        assert line == comment


def test_commands_and_options_are_there():
    named = set(re.findall(r"^ {4}(?:\$ )?evergraph (\w+) ", TEXT, re.MULTILINE))
    assert named == {"inspect", "diff", "convert", "freeze"} and named <= set(commands.commands)
    options = {option for command in commands.commands.values() for p in command.params for option in p.opts}
    assert set(re.findall(r"--[a-z]+", TEXT)) <= options
