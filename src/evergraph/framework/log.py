"""`tf.logging`: TensorFlow 1's levels and format, on Python's logging.

Messages go to the logger `tensorflow`, as programs that set its level or handlers expect, and to standard error as
`INFO:tensorflow:text`. WARN and above are shown until `set_verbosity` says otherwise.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from typing import Any

from evergraph.framework.api import public, publish

DEBUG, INFO, WARN, ERROR, FATAL = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL

for _name, _level in {"DEBUG": DEBUG, "INFO": INFO, "WARN": WARN, "ERROR": ERROR, "FATAL": FATAL}.items():
    publish(f"logging.{_name}", _level)

_lock = threading.Lock()
_ready = False


class _Stream(logging.StreamHandler):
    """Writes to what `sys.stderr` is at the time, so that redirecting it works."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


@public("get_logger")
def get_logger() -> logging.Logger:
    """The logger that everything here writes to."""
    global _ready
    logger = logging.getLogger("tensorflow")
    if not _ready:
        with _lock:
            if not _ready:
                if logger.level == logging.NOTSET:
                    logger.setLevel(WARN)
                if not logging.getLogger().handlers:  # a program with handlers of its own would see messages twice
                    handler = _Stream()
                    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
                    logger.addHandler(handler)
                    logger.propagate = False
                _ready = True
    return logger


@public("logging.log")
def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at a level."""
    get_logger().log(level, msg, *args, **kwargs)


@public("logging.debug")
def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at level DEBUG."""
    get_logger().debug(msg, *args, **kwargs)


@public("logging.info")
def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at level INFO."""
    get_logger().info(msg, *args, **kwargs)


@public("logging.warn", "logging.warning")
def warn(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at level WARN."""
    get_logger().warning(msg, *args, **kwargs)


@public("logging.error")
def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at level ERROR."""
    get_logger().error(msg, *args, **kwargs)


@public("logging.fatal")
def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at level FATAL. The program goes on."""
    get_logger().critical(msg, *args, **kwargs)


@public("logging.vlog")
def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Write `msg % args` at a level."""
    get_logger().log(level, msg, *args, **kwargs)


@public("logging.log_if")
def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Write `msg % args` if `condition` is true."""
    if condition:
        log(level, msg, *args)


_seen: Counter[tuple[str, int]] = Counter()


def _times_here() -> int:
    """How often the line that called the function which calls this one has come here, this time left out."""
    frame = sys._getframe(2)
    place = (frame.f_code.co_filename, frame.f_lineno)
    with _lock:
        _seen[place] += 1
        return _seen[place] - 1


@public("logging.log_every_n")
def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Write `msg % args` the first time this line is reached, and every `n` times from then."""
    log_if(level, msg, _times_here() % n == 0, *args)


@public("logging.log_first_n")
def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Write `msg % args` the first `n` times this line is reached."""
    log_if(level, msg, _times_here() < n, *args)


@public("logging.set_verbosity")
def set_verbosity(v: int) -> None:
    """Show messages at level `v` and above."""
    get_logger().setLevel(v)


@public("logging.get_verbosity")
def get_verbosity() -> int:
    """The lowest level that is shown."""
    return get_logger().getEffectiveLevel()


@public("logging.flush")
def flush() -> None:
    """Do nothing: messages are written as they come."""


@public("logging.TaskLevelStatusMessage")
def TaskLevelStatusMessage(msg: Any) -> None:
    """Write `msg` at level ERROR."""
    error(msg)
