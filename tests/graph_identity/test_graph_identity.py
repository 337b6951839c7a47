"""Each program builds here, op by op, the graph that TensorFlow 1.15.5 built: names, attributes, shapes, collections.

That is what seeds, checkpoints, `get_tensor_by_name` and a GraphDef's readers rest on. The recordings are made by
`tools/record_graphs.py`.
"""

import difflib
from itertools import islice
from pathlib import Path

import pytest
from graph_identity.graph_text import graph_lines
from graph_identity.programs import PROGRAMS

import evergraph as tf

RECORDINGS = Path(__file__).parent / "recordings"
SHOWN = 60  # lines of a difference


@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
@pytest.mark.parametrize("name", PROGRAMS)
def test_graph_is_that_of_tensorflow(name):
    _, *recorded = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    with tf.Graph().as_default() as graph:
        PROGRAMS[name](tf)
    built = graph_lines(graph)
    if built != recorded:
        pytest.fail(difference(recorded, built), pytrace=False)


def test_each_program_has_its_recording():
    assert {path.stem for path in RECORDINGS.glob("*.txt")} == set(PROGRAMS)


def difference(recorded, built):
    """Say where two graphs part: how many ops, the first line that differs, and a diff from there."""
    same = sum(1 for _ in islice(_until_different(recorded, built), len(recorded)))
    diff = difflib.unified_diff(recorded[same:], built[same:], "TensorFlow", "Evergraph", lineterm="", n=1)
    lines = list(islice(diff, SHOWN + 1))
    if len(lines) > SHOWN:
        lines[-1] = "..."
    after = f" after {recorded[same - 1].split(' = ')[0]!r}" if same else ""
    return f"{len(recorded)} lines expected, {len(built)} built; they part at line {same + 1}{after}\n" + "\n".join(
        lines
    )


def _until_different(recorded, built):
    for one, other in zip(recorded, built):
        if one != other:
            return
        yield one
