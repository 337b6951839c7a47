"""The example learns: fewer epochs than `make demo`, the same program."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


def test_digits_learns_and_draws(tmp_path):
    pytest.importorskip("sklearn")
    picture = tmp_path / "digits.png"
    done = subprocess.run(
        [sys.executable, "-m", "evergraph", "run", str(EXAMPLE), "--epochs", "3", "--picture", str(picture)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    accuracy = re.search(r"test accuracy: ([\d.]+) %", done.stdout)
    assert accuracy and float(accuracy.group(1)) > 90.0
    assert picture.read_bytes().startswith(b"\x89PNG")
