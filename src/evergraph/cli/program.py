"""Running somebody's program, with `tensorflow` standing for Evergraph."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
import types
from collections.abc import Callable

from evergraph.cli import needs
from evergraph.compat import alias, numpy_names
from evergraph.framework.frames import PACKAGE


def run_script(path: str, arguments: list[str]) -> int:
    """Run the file `path` as `python path arguments...` would; gives its exit code."""
    sys.argv = [path, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(path))

    def start() -> None:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        # `__main__` stays when the program is through: its threads and exit handlers may need it.
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        main.__dict__.update(__file__=path, __builtins__=__builtins__, __spec__=None, __cached__=None)
        exec(code, main.__dict__)

    return _run(start)


def run_module(name: str, arguments: list[str]) -> int:
    """Run a module as `python -m name arguments...` would; gives its exit code."""
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()
    return _run(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))


def _run(start: Callable[[], object]) -> int:
    alias.install()
    numpy_names.restore()
    sys.excepthook = _print_error  # what threads and exit handlers raise goes the same way
    try:
        start()
    except SystemExit as stop:
        return _exit_code(stop)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    print(stop.code, file=sys.stderr)
    return 1


def _print_error(kind: type[BaseException], error: BaseException, tb: types.TracebackType | None) -> None:
    """A traceback without the frames of this package, and what is known about the error besides."""
    sys.stdout.flush()
    report = traceback.TracebackException(kind, error, tb)
    if os.environ.get("EVERGRAPH_FULL_TRACEBACK") != "1":
        _drop_own_frames(report)
    print("".join(report.format()), end="", file=sys.stderr)
    hint = _python_2_hint(error) if isinstance(error, SyntaxError) else needs.hint(error, sys.argv[0])
    if hint:
        print(f"\n{hint}", file=sys.stderr)


def _drop_own_frames(report: traceback.TracebackException) -> None:
    """Keep the frames of the program alone, in the error and in those it came from."""
    chain: list[traceback.TracebackException | None] = [report]
    while chain:
        one = chain.pop()
        if one is None:
            continue
        one.stack[:] = [frame for frame in one.stack if _is_the_programs(frame.filename)]
        if not one.stack and one is not report:
            report.__context__ = report.__cause__ = None  # raised by us on the way, not by the program
        chain += [one.__cause__, one.__context__]


def _is_the_programs(filename: str) -> bool:
    return not (filename.startswith((PACKAGE, "<frozen")) or os.path.basename(filename) == "runpy.py")


def _python_2_hint(error: SyntaxError) -> str:
    """What to do about a line that only Python 2 takes, or an empty string."""
    line = (error.text or "").strip()
    is_statement = line.startswith(("print ", "print>>", "exec ")) or line == "print"
    is_except = line.startswith("except ") and "," in line
    is_raise = line.startswith("raise ") and "," in line
    is_literal = "leading zeros in decimal" in str(error.msg) or "<>" in line or line.count("`") > 1
    is_tabs = isinstance(error, TabError)
    if not (is_statement or is_except or is_raise or is_literal or is_tabs or "print" in str(error.msg)):
        return ""
    return (
        f"{error.filename}:{error.lineno} is written for Python 2, and Evergraph runs on Python 3. "
        "Convert the program first, for example with 2to3."
    )
