"""Vectors and matrices divided by their norms."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import linear_algebra, math


@public("linalg.normalize")
def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Divide vectors or matrices by their norms.

    Args:
        tensor: floating point or complex.
        ord: as `tf.norm`'s, as is `axis`.
        axis: the axis of the vectors; a pair, the axes of the matrices; None: all elements as one vector.
        name: the name scope.

    Returns:
        The quotient, and the norm, whose reduced axes are kept at size one.
    """
    with name_scope(name, "normalize", [tensor]):
        tensor = convert_to_tensor(tensor)
        norm = linear_algebra.norm(tensor, ord, axis, keepdims=True)
        norm = math.cast(norm, tensor.dtype)
        return tensor / norm, norm
