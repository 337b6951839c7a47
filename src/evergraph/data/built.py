"""What a transformation builds: the op, and what is known of the dataset that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant


@dataclass(frozen=True)
class Built:
    """A dataset op, the structure of its elements, the functions in it, and the datasets below that are no inputs of a
    method (those of `zip`, say)."""

    variant: Tensor
    element_spec: Any
    functions: list[Any] = field(default_factory=list)
    inputs: list[Any] | None = None


def long(value: Any, name: str) -> Tensor:
    """`value` as an int64 tensor."""
    return convert_to_tensor(value, dtype=dtypes.int64, name=name)


def given_or(default: Any, value: Any, name: str, dtype: Any = dtypes.int64) -> Tensor:
    """`value`, or if it is None the default, as a tensor."""
    if value is None:
        return constant(default, dtype=dtype, name=name)
    return convert_to_tensor(value, dtype=dtype, name=name)


def optional_param_to_tensor(
    argument_name: str, argument_value: Any, argument_default: Any = 0, argument_dtype: Any = dtypes.int64
) -> Tensor:
    """TF's name and order of arguments for `given_or`."""
    return given_or(argument_default, argument_value, argument_name, argument_dtype)
