"""Write `src/evergraph/ops/strings/unicode_scripts.txt`: which script each code point belongs to.

    python tools/list_unicode_scripts.py

Runs under TensorFlow 1.15.5 and Python 3.7. The numbers are those of ICU's `UScriptCode`, which is what
`tf.strings.unicode_script` gives. One line for each run of code points of one script: the first one, in hexadecimal,
and the number.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

FILE = Path(__file__).resolve().parent.parent / "src" / "evergraph" / "ops" / "strings" / "unicode_scripts.txt"


def main():
    with tf.Graph().as_default(), tf.Session() as session:
        scripts = session.run(tf.strings.unicode_script(np.arange(0x110000, dtype=np.int32)))
    starts = np.flatnonzero(np.diff(scripts, prepend=-1))
    FILE.write_text("".join(f"{start:x} {scripts[start]}\n" for start in starts))
    print(f"{len(starts)} runs, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
