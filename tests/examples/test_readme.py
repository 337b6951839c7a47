"""The README's programs run, in both languages, and say what their comments say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    pytest.param(program, id=f"{page}-{number}")
    for page in ("README.md", "README.zh-CN.md", "docs/guide.md")
    for number, program in enumerate(BLOCK.findall((ROOT / page).read_text()))
]


def output_of(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_in_the_documentation_run(program):
    output = output_of(program)
    for promised in re.findall(r"print\(.*\)  # ([\d. ]+)$", program, re.MULTILINE):
        assert promised in output


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_first_program_finds_the_line(page):
    slope, offset = map(float, output_of(BLOCK.findall((ROOT / page).read_text())[0]).split())
    assert abs(slope - 2) < 0.1 and abs(offset - 1) < 0.2


def test_both_readmes_have_the_same_parts():
    english, chinese = ((ROOT / page).read_text() for page in ("README.md", "README.zh-CN.md"))
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", chinese, re.MULTILINE))
    commands = re.compile(r"^    (make \w+|pip .*|evergraph .*?)(?:  .*)?$", re.MULTILINE)
    assert commands.findall(english) == commands.findall(chinese)


def test_linked_files_exist():
    for page in ("README.md", "README.zh-CN.md"):
        for target in re.findall(r"\]\(([\w./-]+)\)", (ROOT / page).read_text()):
            assert (ROOT / target).exists(), target
