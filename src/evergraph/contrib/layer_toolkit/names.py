"""Where the functions of this package are public."""

from __future__ import annotations


def both(*names: str) -> tuple[str, ...]:
    """The public names of something that is in `tf.contrib.layers` and `tf.contrib.slim`."""
    return tuple(f"contrib.{place}.{name}" for place in ("layers", "slim") for name in names)
