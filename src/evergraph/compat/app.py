"""`tf.app.run`: parse the flags, call `main`, exit with what it gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from evergraph.compat import flags
from evergraph.framework.api import public, publish

publish("app.flags", flags)


@public("app.run")
def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the program: parse the flags in `argv`, then `main` with what is left of it.

    Args:
        main: by default the function `main` of the script.
        argv: the name of the program, then its arguments; by default `sys.argv`.

    Raises:
        SystemExit: always; its code is what `main` returned, or 1 if a flag was wrong.
    """
    if main is None:
        main = sys.modules["__main__"].main
    arguments = list(sys.argv if argv is None else argv)
    try:
        left = flags.FLAGS(arguments, known_only=True)
    except flags.Error as error:
        sys.stderr.write(f"FATAL Flags parsing error: {error}\nPass --helpshort or --helpfull to see help on flags.\n")
        sys.exit(1)
    if flags.asks_for_help(arguments):
        print(flags.FLAGS.get_help())
        sys.exit(1)
    assert main is not None
    sys.exit(main(left))
