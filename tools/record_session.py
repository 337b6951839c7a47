"""Record what TensorFlow 1.15.5 makes of the cases of `tests/session`: results, or exceptions.

    python tools/record_session.py            write tests/session/recordings.json
    python tools/record_session.py --check    write nothing; fail if an outcome differs

Runs under TensorFlow 1.15.5 and Python 3.7.
"""

import argparse
import json
import sys
from pathlib import Path

import tensorflow as tf

TESTS = Path(__file__).resolve().parent.parent / "tests"
RECORDINGS = TESTS / "session" / "recordings.json"
sys.path.insert(0, str(TESTS))

from session.cases import CASES  # noqa: E402
from session.outcome import first_line, outcome  # noqa: E402


def recording(name):
    """Run one case, see that it raises or not as it says, give what to store."""
    case = CASES[name]
    found = outcome(case, tf)
    fragment = getattr(case, "fragment", None)
    if "result" in found:
        if fragment is not None:
            raise ValueError(f"{name} should raise an exception with {fragment!r}")
        return found
    if fragment is None or fragment not in found["message"]:
        raise ValueError(f"{name} raises {found['raises']} with a message without {fragment!r}: {found['message']}")
    return {"raises": found["raises"], "message": first_line(found["message"]), "fragment": fragment}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if an outcome differs")
    check = parser.parse_args().check
    tf.logging.set_verbosity(tf.logging.FATAL)
    lines = [f"{json.dumps(name)}: {json.dumps(recording(name))}" for name in CASES]
    text = "{\n" + ",\n".join([f'"TensorFlow": {json.dumps(tf.__version__)}', *lines]) + "\n}\n"
    if not check:
        RECORDINGS.write_text(text)
    elif RECORDINGS.read_text() != text:
        sys.exit(f"{RECORDINGS.name} differs from what TensorFlow gives")


if __name__ == "__main__":
    main()
