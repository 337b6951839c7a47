"""Record the graphs that TensorFlow 1.15.5 builds for the programs of `tests/graph_identity`.

    python tools/record_graphs.py                 write every recording
    python tools/record_graphs.py adam convnet    write these
    python tools/record_graphs.py --check         write nothing; fail if a recording differs

Runs under TensorFlow 1.15.5 and Python 3.7.
"""

import argparse
import sys
from pathlib import Path

import tensorflow as tf

TESTS = Path(__file__).resolve().parent.parent / "tests"
RECORDINGS = TESTS / "graph_identity" / "recordings"
sys.path.insert(0, str(TESTS))

from graph_identity.graph_text import graph_lines  # noqa: E402
from graph_identity.programs import PROGRAMS  # noqa: E402


def recording(name):
    """Build one program; give the text of its graph."""
    with tf.Graph().as_default() as graph:
        PROGRAMS[name](tf)
    return "\n".join([f"{name}, TensorFlow {tf.__version__}", *graph_lines(graph)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="name", help="a program; all of them by default")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a recording differs")
    arguments = parser.parse_args()
    tf.logging.set_verbosity(tf.logging.FATAL)
    differing = []
    for name in arguments.names or PROGRAMS:
        path = RECORDINGS / f"{name}.txt"
        text = recording(name)
        if not arguments.check:
            path.write_bytes(text.encode())
        elif not path.exists() or path.read_bytes() != text.encode():
            differing.append(name)
    if differing:
        sys.exit("differ: " + ", ".join(differing))


if __name__ == "__main__":
    main()
