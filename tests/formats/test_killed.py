"""Processes killed while they save: what is newest then opens, and is complete."""

import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

from evergraph.formats.bundle import BundleReader

KILLS = int(os.environ.get("EVERGRAPH_KILLS", "2"))

SAVES = """
import sys
import numpy as np
from evergraph.formats import early_sync, freeing
from evergraph.formats.bundle import BundleWriter
from evergraph.formats.files import write_file

early_sync.STEP, freeing.LARGE = 100_000, 100_000  # as if the checkpoints were large

folder, same = sys.argv[1], sys.argv[2] == "same"
for step in range(100_000):
    name = "m" if same else f"m-{step}"
    with BundleWriter(f"{folder}/{name}") as writer:
        writer.add("step", np.int64(step))
        for i in range(3):
            writer.add(f"big{i}", np.full(20_000, step))
    write_file(folder + "/checkpoint", name.encode())
    print(step, flush=True)
"""


@pytest.mark.parametrize("names", ["numbered", "same"])
def test_last_complete_checkpoint_opens_whenever_the_process_is_killed(tmp_path, names):
    for attempt in range(KILLS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", SAVES, str(folder), names], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # the first checkpoint is there
        try:
            process.wait(random.Random(attempt).random() * 0.1)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        printed = [0, *map(int, process.communicate()[0].split())]
        with BundleReader(str(folder / (folder / "checkpoint").read_text())) as reader:
            step = int(reader.read("step"))
            assert step >= printed[-1]
            for i in range(3):
                assert np.array_equal(reader.read(f"big{i}"), np.full(20_000, step))
