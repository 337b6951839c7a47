"""Regular expressions, with the syntax and the meaning of RE2."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import bracket_text, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import listed, mapped, text


@functools.lru_cache(maxsize=256)
def _compiled(pattern: bytes) -> Any:
    try:
        import re2
    except ImportError:
        raise kernel_error("regular expressions need the package google-re2: install it, or evergraph[text]") from None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = text(reason) if isinstance(reason, bytes) else reason
        raise kernel_error(f"Invalid pattern: {text(pattern)}, error: {reason}") from None


def _scalar(value: Any, name: str) -> bytes:
    if np.ndim(value):
        raise kernel_error(f"{name} must be scalar, but received {bracket_text(np.shape(value))}")
    return listed(value)[0]


@functools.lru_cache(maxsize=256)
def _template(rewrite: bytes) -> tuple[list[Any], bool]:
    r"""A rewrite as literal bytes and numbers of groups (`\0` to `\9`) as far as well-formed; whether all of it is."""
    parts: list[Any] = []
    at = 0
    while at < len(rewrite):
        end = rewrite.find(b"\\", at)
        if end < 0:
            parts.append(rewrite[at:])
            break
        parts.append(rewrite[at:end])
        code = rewrite[end + 1 : end + 2]
        if code.isdigit():
            parts.append(int(code))
        elif code == b"\\":
            parts.append(code)
        else:
            return parts, False
        at = end + 2
    return parts, True


def _replaced(input: Any, pattern: bytes, rewrite: bytes, everywhere: bool) -> np.ndarray:
    expression = _compiled(pattern)
    template, is_whole = _template(rewrite)
    if not is_whole and not everywhere:  # RE2 then leaves the strings as they are
        return np.asarray(input, dtype=object)
    # A group that the pattern does not have is empty.
    parts = [part for part in template if isinstance(part, bytes) or part <= expression.groups]

    def written(match: Any) -> bytes:
        return b"".join([part if isinstance(part, bytes) else match.group(part) or b"" for part in parts])

    return mapped(lambda s: _rewritten(s, expression, written, everywhere), input)


def _rewritten(s: bytes, expression: Any, written: Callable[[Any], bytes], everywhere: bool) -> bytes:
    """`s` with its matches replaced; right after a match an empty one does not count, as in RE2."""
    parts: list[bytes] = []
    at, last_end = 0, -1
    while at <= len(s):
        match = expression.search(s, at)
        if match is None:
            break
        start, end = match.span()
        parts.append(s[at:start])
        if start == end == last_end:
            step = _character_end(s, start)
            parts.append(s[start:step])
            at = max(step, start + 1)
            continue
        parts.append(written(match))
        at = last_end = end
        if not everywhere:
            break
    return b"".join([*parts, s[at:]]) if parts else s


def _character_end(s: bytes, at: int) -> int:
    """Where the character of UTF-8 at `at` ends."""
    end = at + 1
    while end < len(s) and s[end] & 0xC0 == 0x80:
        end += 1
    return min(end, len(s))


def _matches(input: Any, pattern: bytes) -> np.ndarray:
    expression = _compiled(pattern)
    found = [expression.fullmatch(s) is not None for s in listed(input)]
    return np.array(found, bool).reshape(np.shape(input))


@op("RegexReplace", host=True, differentiable=False)
def regex_replace_op(xp: Any, input: Any, pattern: Any, rewrite: Any, *, replace_global: bool) -> Any:
    """The strings with what matches a pattern replaced."""
    return _replaced(input, _scalar(pattern, "Pattern"), _scalar(rewrite, "Rewrite"), replace_global)


@regex_replace_op.shape
def regex_replace_shape(input: Any, pattern: Any, rewrite: Any) -> Any:
    with_rank(pattern, 0)
    with_rank(rewrite, 0)
    return input


@op("StaticRegexReplace", host=True, differentiable=False, shape=unchanged_shape)
def static_regex_replace(xp: Any, input: Any, *, pattern: bytes, rewrite: bytes, replace_global: bool) -> Any:
    """The strings with what matches a pattern replaced; the pattern is part of the op."""
    return _replaced(input, pattern, rewrite, replace_global)


@op("RegexFullMatch", host=True, differentiable=False)
def regex_full_match_op(xp: Any, input: Any, pattern: Any) -> Any:
    """Whether strings match a pattern as a whole."""
    return _matches(input, _scalar(pattern, "Pattern"))


@regex_full_match_op.shape
def regex_full_match_shape(input: Any, pattern: Any) -> Any:
    with_rank(pattern, 0)
    return input


@op("StaticRegexFullMatch", host=True, differentiable=False, shape=unchanged_shape)
def static_regex_full_match(xp: Any, input: Any, *, pattern: bytes) -> Any:
    """Whether strings match a pattern as a whole; the pattern is part of the op."""
    return _matches(input, pattern)


@public("regex_replace", "strings.regex_replace")
def regex_replace(
    input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None
) -> Tensor:
    r"""Replace what matches a regular expression.

    Args:
        input: string, any shape.
        pattern: a string or a string scalar: the expression, in RE2's syntax.
        rewrite: a string or a string scalar: what to put there; `\1` to `\9` stand for the groups, `\0` for all.
        replace_global: whether to replace all matches of a string, or the first.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if `pattern` is malformed.
    """
    if isinstance(pattern, str | bytes) and isinstance(rewrite, str | bytes):
        return static_regex_replace(input, pattern=pattern, rewrite=rewrite, replace_global=replace_global, name=name)
    return regex_replace_op(input, pattern, rewrite, replace_global=replace_global, name=name)


@public("strings.regex_full_match")
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Say of every string whether it matches a regular expression as a whole.

    Args:
        input: string, any shape.
        pattern: a string or a string scalar: the expression, in RE2's syntax.
        name: the op's name.

    Returns:
        bool, the shape of `input`.

    Raises:
        InvalidArgumentError: at run time, if `pattern` is malformed.
    """
    if isinstance(pattern, str | bytes):
        return static_regex_full_match(input, pattern=pattern, name=name)
    return regex_full_match_op(input, pattern, name=name)


__all__ = ["regex_full_match", "regex_replace", "static_regex_full_match", "static_regex_replace"]
