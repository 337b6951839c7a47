"""A part of a graph as a StableHLO module, through `jax.export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.tensor import Tensor
from evergraph.runtime.export.pure_function import to_jax


def exported(
    fetches: Any, feeds: Any, session: Any, shapes: Mapping[str, Sequence[int]] | None, platforms: Sequence[str]
) -> Any:
    """The `jax.export.Exported` of a graph's function, in which the variables are constants.

    Sizes that are not known stay open (`b` for the first of a shape) unless `shapes` gives them by the feed's name.

    Raises:
        InvalidArgumentError: if a shape does not fit the feed's, or the computation needs sizes that are open.
    """
    import jax
    from jax import export

    function, parameters = to_jax(fetches, feeds, session)
    tensors = dict(zip(function.names, function.plan.feeds, strict=True))
    given = dict(shapes or {})
    if unknown := [name for name in given if name not in tensors]:
        raise errors.InvalidArgumentError(
            None, None, f"there is no feed {unknown[0]!r} to give a shape; there are: {', '.join(tensors)}"
        )
    scope = export.SymbolicScope()
    arguments: list[Any] = []
    open_sizes: list[str] = []
    for name, t in tensors.items():
        texts = _sizes(name, t, given.get(name), len(arguments))
        if not all(text.isdigit() for text in texts):
            open_sizes.append(name)
        shape = export.symbolic_shape(", ".join(texts), scope=scope) if texts else ()
        arguments.append(jax.ShapeDtypeStruct(shape, np.dtype(t.dtype._base.np)))
    with jax.enable_x64(True):
        try:
            return export.export(jax.jit(lambda *args: function(parameters, *args)), platforms=platforms)(*arguments)
        except Exception as error:
            if not open_sizes or isinstance(error, errors.UnimplementedError):
                raise
            raise errors.InvalidArgumentError(
                None,
                None,
                f"the graph cannot be exported with open sizes ({str(error).splitlines()[0][:200]}); give the shapes "
                f"of {', '.join(map(repr, open_sizes))}",
            ) from error


def _sizes(name: str, t: Tensor, given: Sequence[int] | None, number: int) -> list[str]:
    known = t.static_shape
    if given is not None:
        given = [int(size) for size in given]
        fits = known is None or len(known) == len(given) and all(k in (None, g) for k, g in zip(known, given))
        if not fits or any(size < 0 for size in given):
            raise errors.InvalidArgumentError(
                None, t.op, f"feed {name!r} cannot be of shape {list(given)}: it is {t.shape}"
            )
        return [str(size) for size in given]
    if known is None:
        raise errors.InvalidArgumentError(None, t.op, f"the shape of feed {name!r} is unknown: it has to be given")
    return [
        str(size) if size is not None else "b" if axis == 0 else f"d{number}_{axis}" for axis, size in enumerate(known)
    ]
