"""What operators check: values when the graph runs, hints that contradict each other at once."""

from __future__ import annotations

from typing import Any

from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.variables import Variable


def is_ref(x: Any) -> bool:
    """Whether `x` is a variable."""
    return isinstance(x, Variable)


def convert_nonref_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Any:
    """A tensor from `value`; None and variables stay as they are.

    Raises:
        TypeError: if a variable is not of the type `dtype`.
    """
    if value is None:
        return None
    if not is_ref(value):
        return convert_to_tensor(value, dtype=dtype, dtype_hint=dtype_hint, name=name)
    if dtype is not None and value.dtype.base_dtype != dtype:
        raise TypeError(f'Mutable type must be of dtype "{dtype}" but is "{value.dtype.base_dtype.name}".')
    return value


def assert_not_ref_type(x: Any, arg_name: str) -> None:
    """Refuse a variable.

    Raises:
        TypeError: if `x` is one.
    """
    if is_ref(x):
        raise TypeError(f"Argument {arg_name} cannot be reference type. Found: {type(x)}")


def assert_no_entries_with_modulus_zero(
    x: Any, message: str | None = None, name: str = "assert_no_entries_with_modulus_zero"
) -> Any:
    """An op that fails if an element is 0."""
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        modulus = math.abs(x)
        zero = convert_to_tensor(0, dtype=x.dtype.base_dtype.real_dtype)
        return checks.assert_less(zero, modulus, message=message)


def assert_zero_imag_part(x: Any, message: str | None = None, name: str = "assert_zero_imag_part") -> Any:
    """An op that fails if an element is not real."""
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        if dtype.is_floating:
            return no_op()
        zero = convert_to_tensor(0, dtype=dtype.real_dtype)
        return checks.assert_equal(zero, math.imag(x), message=message)


def assert_compatible_matrix_dimensions(operator: Any, x: Tensor) -> Any:
    """An op that fails if the operator cannot be applied to the matrix `x`."""
    return checks.assert_equal(
        array.shape(x)[-2],
        operator.domain_dimension_tensor(),
        message="Dimensions are not compatible.  shape[-2] of argument to be the same as this operator",
    )


def checked_size(size: Tensor, static: Any, what: str, rank: int, check_at_run_time: bool) -> Tensor:
    """A size, or a list of them, that has turned out to be one.

    Raises:
        TypeError: if it is not of an integer type.
        ValueError: if it is known to be of another rank, or negative.
    """
    if check_at_run_time:
        rank_message = f"Argument {what} must be a {rank}-D Tensor."
        conditions = [
            checks.assert_rank(size, rank, message=rank_message),
            checks.assert_non_negative(size, message=f"Argument {what} must be non-negative."),
        ]
        size = with_dependencies(conditions, size)
    if not size.dtype.is_integer:
        raise TypeError(f"Argument {what} must be integer type.  Found: {size}")
    if static is not None:
        if static.ndim != rank:
            raise ValueError(f"Argument {what} must be a {rank}-D Tensor.  Found: {static}")
        if (static < 0).any():
            raise ValueError(f"Argument {what} must be non-negative.  Found: {static}")
    return size


def use_operator_or_provided_hint_unless_contradicting(
    operator: Any, hint_attr_name: str, provided_hint_value: bool | None, message: str
) -> bool | None:
    """The hint that an operator has or that was given.

    Raises:
        ValueError: if they contradict each other.
    """
    hints = {getattr(operator, hint_attr_name), provided_hint_value}
    if hints == {True, False}:
        raise ValueError(message)
    return True if True in hints else False if False in hints else None
