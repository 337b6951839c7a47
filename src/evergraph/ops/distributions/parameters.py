"""Parameters of distributions: logits or probabilities, checks that they are valid, seeds of a second random op."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import activations, array, checks, math, special
from evergraph.ops.constant import constant
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.softmax import softmax
from evergraph.ops.static_values import get_static_value


def gen_new_seed(seed: int | None, salt: str) -> int | None:
    """A seed that follows from `seed` and a word; None from None."""
    if seed is None:
        return None
    return int(hashlib.md5((str(seed) + salt).encode()).hexdigest()[:8], 16) & 0x7FFFFFFF


def shapes_of(names: tuple[str, ...], sample_shape: Any) -> dict[str, Tensor]:
    """The same shape for each parameter of these names."""
    return dict.fromkeys(names, convert_to_tensor(sample_shape, dtype=dtypes.int32))


def no_shape() -> Tensor:
    """The event shape of numbers, as a tensor."""
    return constant([], dtype=dtypes.int32)


def number_of(value: float, dtype: Any) -> np.ndarray:
    return np.array(value, dtype=dtype.as_numpy_dtype)


def pick_vector(cond: Any, true_vector: Any, false_vector: Any, name: str = "pick_vector") -> Any:
    """One of two vectors, which need not be equally long, by a scalar bool tensor.

    Raises:
        TypeError: if `cond` is not bool, or the vectors are of different types.
    """
    with name_scope(name, values=(cond, true_vector, false_vector)):
        cond = convert_to_tensor(cond, name="cond")
        if cond.dtype != dtypes.bool:
            raise TypeError(f"{cond}.dtype={cond.dtype} which is not {dtypes.bool}")
        known = get_static_value(cond)
        if known is not None:
            return true_vector if known else false_vector
        true_vector = convert_to_tensor(true_vector, name="true_vector")
        false_vector = convert_to_tensor(false_vector, name="false_vector")
        if true_vector.dtype != false_vector.dtype:
            raise TypeError(
                f"{true_vector}.dtype={true_vector.dtype} does not match {false_vector}.dtype={false_vector.dtype}"
            )
        n = array.shape(true_vector)[0]
        both = array.concat([true_vector, false_vector], 0)
        return array.slice(both, [array.where_v2(cond, 0, n)], [array.where(cond, n, -1)])


def get_logits_and_probs(
    logits: Any = None,
    probs: Any = None,
    multidimensional: bool = False,
    validate_args: bool = False,
    name: str = "get_logits_and_probs",
    dtype: Any = None,
) -> tuple[Tensor, Tensor]:
    """Both the logits and the probabilities, from the one that is given.

    Args:
        logits: log-odds; with `multidimensional`, logarithms of probabilities up to a constant.
        probs: probabilities; with `multidimensional`, they sum to 1 along the last axis.
        multidimensional: whether the last axis is one over classes.
        validate_args: whether assertions are added to the graph.
        name: the name scope.
        dtype: the type to convert to.

    Raises:
        ValueError: if both or none are given.
        TypeError: if they are not floats.
    """
    with name_scope(name, values=[probs, logits]):
        if (probs is None) == (logits is None):
            raise ValueError("Must pass probs or logits, but not both.")
        if probs is None:
            logits = convert_to_tensor(logits, name="logits", dtype=dtype)
            if not logits.dtype.is_floating:
                raise TypeError("logits must having floating type.")
            if not multidimensional:
                return logits, math.sigmoid(logits, name="probs")
            if validate_args:
                logits = embed_check_categorical_event_shape(logits)
            return logits, softmax(logits, name="probs")
        probs = convert_to_tensor(probs, name="probs", dtype=dtype)
        if not probs.dtype.is_floating:
            raise TypeError("probs must having floating type.")
        if validate_args:
            probs = _checked_probs(probs, multidimensional)
        with name_scope("logits"):
            if multidimensional:
                return math.log(probs), probs
            return math.log(probs) - math.log1p(-1.0 * probs), probs


def _checked_probs(probs: Tensor, multidimensional: bool) -> Tensor:
    with name_scope("validate_probs"):
        one = constant(1.0, probs.dtype)
        conditions = [checks.assert_non_negative(probs)]
        if multidimensional:
            probs = embed_check_categorical_event_shape(probs)
            total = math.reduce_sum(probs, -1)
            conditions.append(checks.assert_near(total, one, message="probs does not sum to 1."))
        else:
            conditions.append(checks.assert_less_equal(probs, one, message="probs has components greater than 1."))
        return with_dependencies(conditions, probs)


# How large integers a type holds


def _check_known(dtype: DType) -> None:
    if dtype.base_dtype not in (
        dtypes.bool, dtypes.uint8, dtypes.uint16, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64,
        dtypes.float16, dtypes.float32, dtypes.float64,
    ):  # fmt: skip
        raise TypeError(f"Unrecognized dtype: {dtype.name}")


def largest_integer(dtype: DType) -> int:
    """The largest n for which all integers from 0 to n are of this type.

    Raises:
        TypeError: for types other than bool, the usual ints and floats.
    """
    _check_known(dtype)
    if dtype.is_floating:
        return int(2 ** (np.finfo(dtype.as_numpy_dtype).nmant + 1))
    return 1 if dtype.base_dtype == dtypes.bool else int(np.iinfo(dtype.as_numpy_dtype).max)


def smallest_integer(dtype: DType) -> int:
    """Minus `largest_integer` for signed types, else 0.

    Raises:
        TypeError: for types other than bool, the usual ints and floats.
    """
    largest = largest_integer(dtype)
    return 0 if dtype.base_dtype in (dtypes.bool, dtypes.uint8, dtypes.uint16) else -largest


def _holds_integers(dtype: DType) -> bool:
    _check_known(dtype)
    return dtype.is_integer or dtype.base_dtype == dtypes.bool


# Checks


def embed_check_categorical_event_shape(
    categorical_param: Any, name: str = "embed_check_categorical_event_shape"
) -> Tensor:
    """A parameter whose last axis is one over classes, of which there are at least two.

    Raises:
        ValueError: if that is known not to hold.
        TypeError: if the type is not a float.
    """
    with name_scope(name, values=[categorical_param]):
        x = convert_to_tensor(categorical_param, name="categorical_param")
        dtype = x.dtype.base_dtype
        if not dtype.is_floating:
            raise TypeError(f"Unable to validate size of unrecognized dtype ({dtype.name}).")
        most = largest_integer(dtype)
        if x.shape.ndims == 0:
            raise ValueError("A categorical-distribution parameter must have at least 1 dimension.")
        size: Any = x.shape.as_list()[-1] if x.shape.ndims is not None else None
        if size is not None:
            if size < 2:
                raise ValueError("A categorical-distribution parameter must have at least 2 events.")
            if size > most:
                raise ValueError(
                    f"Number of classes exceeds `dtype` precision, i.e., {dtype.name} implies shape ({size}) "
                    f"cannot exceed {most}."
                )
            return x
        size = array.shape(x, name="x_shape")[-1]
        conditions = [
            checks.assert_rank_at_least(
                x, 1, message="A categorical-distribution parameter must have at least 1 dimension."
            ),
            checks.assert_greater_equal(
                array.shape(x)[-1], 2, message="A categorical-distribution parameter must have at least 2 events."
            ),
            checks.assert_less_equal(
                size,
                most,
                message=f"Number of classes exceeds `dtype` precision, i.e., {dtype.name} dtype cannot exceed "
                f"{most} shape.",
            ),
        ]
        return with_dependencies(conditions, x)


def assert_integer_form(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    int_dtype: Any = None,
    name: str = "assert_integer_form",
) -> Any:
    """An op that fails unless the floats `x` are whole numbers."""
    with name_scope(name, values=[x, data]):
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_integer:
            return no_op()
        message = message or f"{x} has non-integer components"
        if int_dtype is None:
            same_size = {dtypes.float16: dtypes.int16, dtypes.float32: dtypes.int32, dtypes.float64: dtypes.int64}
            int_dtype = same_size.get(x.dtype.base_dtype)
            if int_dtype is None:
                raise TypeError(f"Unrecognized type {x.dtype.name}")
        whole = math.cast(math.cast(x, int_dtype), x.dtype)
        return checks.assert_equal(x, whole, data=data, summarize=summarize, message=message, name=name)


def assert_symmetric(matrix: Any) -> Tensor:
    """`matrix`, once it has turned out to be symmetric."""
    return with_dependencies([checks.assert_equal(matrix, array.matrix_transpose(matrix))], matrix)


def embed_check_nonnegative_integer_form(x: Any, name: str = "embed_check_nonnegative_integer_form") -> Tensor:
    """`x`, once its elements have turned out to be whole and not negative."""
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        conditions = [checks.assert_non_negative(x, message=f"'{x}' must be non-negative.")]
        if not x.dtype.is_integer:
            conditions.append(assert_integer_form(x, message=f"'{x}' cannot contain fractional components."))
        return with_dependencies(conditions, x)


def embed_check_integer_casting_closed(
    x: Any, target_dtype: Any, assert_nonnegative: bool = True, name: str = "embed_check_casting_closed"
) -> Tensor:
    """`x`, once a cast to `target_dtype` and back has turned out to change nothing.

    Raises:
        TypeError: unless one of the two types is one of integers, and the other a float or one of integers.
    """
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        if not _holds_integers(x.dtype) and not x.dtype.is_floating:
            raise TypeError(f"{x.dtype.name}.dtype must be floating- or integer-type.")
        if not _holds_integers(target_dtype) and not target_dtype.is_floating:
            raise TypeError(f"target_dtype ({target_dtype.name}) must be floating- or integer-type.")
        if not _holds_integers(x.dtype) and not _holds_integers(target_dtype):
            raise TypeError(
                f"At least one of {x}.dtype ({x.dtype.name}) and target_dtype ({target_dtype.name}) "
                "must be integer-type."
            )
        conditions = []
        if assert_nonnegative:
            conditions.append(checks.assert_non_negative(x, message="Elements must be non-negative."))
        if x.dtype.is_floating:
            message = f"Elements must be {target_dtype.name}-equivalent."
            conditions.append(assert_integer_form(x, int_dtype=target_dtype, message=message))
        else:
            most, least = largest_integer(target_dtype), smallest_integer(target_dtype)
            if largest_integer(x.dtype) > most:
                message = f"Elements cannot exceed {most}."
                conditions.append(checks.assert_less_equal(x, most, message=message))
            if not assert_nonnegative and smallest_integer(x.dtype) < least:
                message = f"Elements cannot be smaller than {least}."
                conditions.append(checks.assert_greater_equal(x, least, message=message))
        return with_dependencies(conditions, x) if conditions else x


def positive_concentration(concentration: Tensor, validate_args: bool) -> Tensor:
    """A concentration, once it has turned out to be positive if arguments are to be checked."""
    if not validate_args:
        return concentration
    message = "Concentration parameter must be positive."
    return with_dependencies([checks.assert_positive(concentration, message=message)], concentration)


def with_softplus(name: str, value: Any) -> Tensor:
    return activations.softplus(value, name=f"softplus_{name}")


def last_size(shape: TensorShape) -> int | None:
    """The static size of the last axis."""
    return None if not shape.ndims else shape.as_list()[-1]


def log_combinations(n: Any, counts: Any, name: str = "log_combinations") -> Tensor:
    """The logarithm of the multinomial coefficient: of how many sequences of `n` have these `counts` (last axis)."""
    with name_scope(name, values=[n, counts]):
        n = convert_to_tensor(n, name="n")
        counts = convert_to_tensor(counts, name="counts")
        permutations = special.lgamma(n + 1)
        redundant = math.reduce_sum(special.lgamma(counts + 1), axis=[-1])
        return permutations - redundant
