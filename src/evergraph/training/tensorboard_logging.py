"""Log messages that TensorBoard shows: events with a level and a text."""

from __future__ import annotations

import time
from typing import Any

from evergraph.framework import log as python_log

DEBUG, INFO, WARN, ERROR, FATAL = "DEBUG", "INFO", "WARN", "ERROR", "FATAL"
_LEVELS = (DEBUG, INFO, WARN, ERROR, FATAL)


_NOT_SET = object()


class _State:
    verbosity = WARN
    writer: Any = _NOT_SET


def _checked(level: str) -> int:
    if level not in _LEVELS:
        raise ValueError(f"Invalid log level: {level}")
    return _LEVELS.index(level)


def set_summary_writer(summary_writer: Any) -> None:
    """Say which `FileWriter` messages go to; with None, to none."""
    _State.writer = summary_writer


def clear_summary_writer() -> None:
    """Refuse messages until there is a writer again."""
    _State.writer = _NOT_SET


def get_verbosity() -> str:
    return _State.verbosity


def set_verbosity(verbosity: str) -> None:
    """Drop messages below a level.

    Raises:
        ValueError: for a level that does not exist.
    """
    _checked(verbosity)
    _State.verbosity = verbosity


def log(level: str, message: str, *args: Any) -> None:
    """Write `message % args` at a level, to the event file and to the log.

    Raises:
        ValueError: for a level that does not exist.
        RuntimeError: if no writer was set.
    """
    number = _checked(level)
    if _State.writer is _NOT_SET:
        raise RuntimeError("set_summary_writer not called")
    if _State.writer is not None and number >= _LEVELS.index(_State.verbosity):
        from evergraph.formats import messages

        enum = "DEBUGGING" if level == DEBUG else level
        text = messages.LogMessage(
            level=messages.LogMessage.Level.Value(enum), message=message % args if args else message
        )
        _State.writer.add_event(messages.Event(wall_time=time.time(), log_message=text))
    python_log.log(getattr(python_log, level), message, *args)


def debug(message: str, *args: Any) -> None:
    log(DEBUG, message, *args)


def info(message: str, *args: Any) -> None:
    log(INFO, message, *args)


def warn(message: str, *args: Any) -> None:
    log(WARN, message, *args)


def error(message: str, *args: Any) -> None:
    log(ERROR, message, *args)


def fatal(message: str, *args: Any) -> None:
    log(FATAL, message, *args)
