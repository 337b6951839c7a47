"""`tf.test.TestCase`: unittest's, with a fresh graph per test, sessions, and comparisons of arrays."""

from __future__ import annotations

import random
import re
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors, nest, stacks
from evergraph.framework.api import public
from evergraph.framework.devices import DeviceSpec
from evergraph.framework.graph import get_default_graph, reset_default_graph
from evergraph.framework.sparse import IndexedSlices, SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.runtime.session import Session
from evergraph.testing.places import get_temp_dir

SEED = 87654321
"""The graph seed of every test."""

# Tolerances for types with fewer bits than float32 has.
_HALF = 1e-3
_BFLOAT16 = 1e-2


@public("test.TestCase")
class TestCase(unittest.TestCase):
    """A test case with a fresh default graph, and seeds that are the same for every test."""

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self._threads: list[CheckedThread] = []  # here: a test's own setUp may leave ours out

    def setUp(self) -> None:
        super().setUp()
        self._close_cached_session()
        random.seed(SEED)
        np.random.seed(SEED)
        stacks.graphs.stack[:] = []
        reset_default_graph()
        get_default_graph().seed = SEED
        self._threads.clear()

    def tearDown(self) -> None:
        for thread in self._threads:
            thread.check_termination()
        self._close_cached_session()
        super().tearDown()

    def _close_cached_session(self) -> None:
        session = self.__dict__.pop("_cached", None)
        if session is not None:
            session.close()

    # Sessions

    @contextmanager
    def session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A new session that is the default one, on a graph that is the default one."""
        with Session(graph=graph, config=config) as session:
            yield session

    @contextmanager
    def cached_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """The session of this test: the same one at every call, with the values it holds."""
        cached = self.__dict__.get("_cached")
        if cached is None:
            cached = self.__dict__["_cached"] = Session(graph=graph, config=config)
        elif graph is not None and cached.graph is not graph:
            raise ValueError(
                "The graph used to get the cached session is different than the one that was used to create the session"
            )
        with cached.graph.as_default(), cached.as_default():
            yield cached

    def test_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> AbstractContextManager[Session]:
        """`cached_session` without a graph, `session` with one."""
        if self.id().endswith(".test_session"):  # found by its name
            self.skipTest("Not a test.")
        return (self.cached_session if graph is None else self.session)(graph, config, use_gpu, force_gpu)

    def evaluate(self, tensors: Any) -> Any:
        """Run `tensors` in the default session, or in the session of this test."""
        session = stacks.get_default_session() or self.__dict__.get("_cached")
        if session is None:
            with self.test_session() as session:
                return session.run(tensors)
        return session.run(tensors)

    def get_temp_dir(self) -> str:
        """A directory for the files of this test."""
        path = self.__dict__.get("_directory")
        if path is None:
            path = self.__dict__["_directory"] = tempfile.mkdtemp(dir=get_temp_dir())
        return path

    def checkedThread(self, target: Callable[..., Any], args: Any = None, kwargs: Any = None) -> CheckedThread:
        """A thread whose exceptions fail the test when it is joined."""
        thread = CheckedThread(self, target, args or (), kwargs or {})
        self._threads.append(thread)
        return thread

    # Values

    def _array(self, value: Any) -> np.ndarray:
        if isinstance(value, Tensor) or hasattr(value, "_as_graph_element"):
            value = self.evaluate(value)
        return np.asarray(value)

    def _GetNdArray(self, a: Any) -> np.ndarray:
        return self._array(a)

    def _evaluated(self, value: Any) -> Any:
        if isinstance(value, Tensor | SparseTensor | IndexedSlices) or hasattr(value, "_as_graph_element"):
            return self.evaluate(value)
        return value

    # Arrays

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None) -> None:
        """Fail unless two arrays, or two structures of arrays, agree within `atol + rtol * |b|`; NaNs agree."""
        if _is_ragged(a) or _is_ragged(b):
            self._ragged(a, b, lambda x, y: self.assertAllClose(x, y, rtol, atol, msg), msg)
            return
        self._close(self._evaluated(a), self._evaluated(b), rtol, atol, msg, ())

    def _close(self, a: Any, b: Any, rtol: float, atol: float, msg: Any, path: tuple[Any, ...]) -> None:
        where = "".join(f"[{key!r}]" for key in path)
        if isinstance(a, Mapping) != isinstance(b, Mapping):
            raise ValueError(f"Can't compare dict to non-dict, a{where} vs b{where}. {msg or ''}")
        if isinstance(a, Mapping):
            self.assertEqual(
                set(a), set(b), f"mismatched keys: a{where} has keys {list(a)}, b{where} has {list(b)}. {msg or ''}"
            )
            for key in a:
                self._close(self._evaluated(a[key]), self._evaluated(b[key]), rtol, atol, msg, (*path, key))
            return
        if isinstance(a, list | tuple) and not _is_plain(a) or isinstance(b, list | tuple) and not _is_plain(b):
            self.assertEqual(
                len(a), len(b), f"Mismatched length: a{where} has {len(a)} items, b{where} {len(b)}. {msg or ''}"
            )
            for i, (x, y) in enumerate(zip(a, b)):
                self._close(self._evaluated(x), self._evaluated(y), rtol, atol, msg, (*path, i))
            return
        x, y = self._array(a), self._array(b)
        self._same_shape(x, y, f"{where} {msg or ''}")
        if dtypes.bfloat16.as_numpy_dtype in (x.dtype.type, y.dtype.type):
            x, y = x.astype(np.float32), y.astype(np.float32)
            rtol, atol = max(rtol, _BFLOAT16), max(atol, _BFLOAT16)
        if not np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=True):
            off = ~np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=True)
            self.fail(
                f"Mismatched value: a{where} is different from b{where}. {msg or ''}\n"
                f"not close where = {np.where(np.atleast_1d(off))}\n"
                f"not close lhs = {x[off] if x.ndim else x}\nnot close rhs = {y[off] if y.ndim else y}\n"
                f"not close dif = {np.abs(x - y)[off] if x.ndim else np.abs(x - y)}\n"
                f"not close tol = {(atol + rtol * np.abs(y))[off] if y.ndim else atol + rtol * np.abs(y)}\n"
                f"dtype = {x.dtype}, shape = {x.shape}\na = {x}\nb = {y}"
            )

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = _HALF,
        half_atol: float = _HALF,
        bfloat16_rtol: float = _BFLOAT16,
        bfloat16_atol: float = _BFLOAT16,
        msg: Any = None,
    ) -> None:
        """`assertAllClose`, with larger tolerances for types of fewer bits."""
        x, y = self._array(a), self._array(b)
        kinds = {x.dtype.type, y.dtype.type}
        for names, more_rtol, more_atol in (
            ({np.float32, np.complex64}, float_rtol, float_atol),
            ({np.float16}, half_rtol, half_atol),
            ({dtypes.bfloat16.as_numpy_dtype}, bfloat16_rtol, bfloat16_atol),
        ):
            if kinds & names:
                rtol, atol = max(rtol, more_rtol), max(atol, more_atol)
        self.assertAllClose(a, b, rtol=rtol, atol=atol, msg=msg)

    def assertNotAllClose(self, a: Any, b: Any, **kwargs: Any) -> None:
        """Fail if two arrays agree."""
        try:
            self.assertAllClose(a, b, **kwargs)
        except AssertionError:
            return
        raise AssertionError("The two values are close at all elements")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fail unless two arrays have the same shape and the same elements; NaNs are equal."""
        if _is_ragged(a) or _is_ragged(b):
            self._ragged(a, b, lambda x, y: self.assertAllEqual(x, y, msg), msg)
            return
        x, y = self._array(self._evaluated(a)), self._array(self._evaluated(b))
        if isinstance(b, list | tuple) and x.ndim == 0 and y.ndim:
            self.fail(f"expected a scalar and a scalar, got {x} and {b}")
        self._same_shape(x, y, msg or "")
        same = x == y
        if x.dtype.kind in "fcV" and y.dtype.kind in "fcV":
            same = np.logical_or(same, np.logical_and(x != x, y != y))
        if not np.all(same):
            off = np.where(np.atleast_1d(np.logical_not(same)))
            left, right = (x[off], y[off]) if x.ndim else (x, y)
            self.fail(
                f"Arrays are not equal. {msg or ''}\nnot equal where = {off}\nnot equal lhs = {left}\n"
                f"not equal rhs = {right}\na = {x}\nb = {y}"
            )

    def _ragged(self, a: Any, b: Any, compare: Callable[[Any, Any], None], msg: Any) -> None:
        """Fail unless two ragged tensors or nested lists have the same rows."""
        x, y = (
            value.to_list() if _is_ragged(value) else value.tolist() if isinstance(value, np.ndarray) else value
            for value in (self._evaluated(a), self._evaluated(b))
        )

        def walk(left: Any, right: Any) -> None:
            if not isinstance(left, list | tuple) and not isinstance(right, list | tuple):
                compare(left, right)
                return
            self.assertIsInstance(left, list | tuple, f"{x} is not {y}. {msg or ''}")
            self.assertIsInstance(right, list | tuple, f"{x} is not {y}. {msg or ''}")
            self.assertEqual(len(left), len(right), f"Rows differ in length: {x} and {y}. {msg or ''}")
            for one, other in zip(left, right):
                walk(one, other)

        walk(x, y)

    def assertNotAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Fail if two arrays are equal."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"The two values are equal at all elements. {msg or ''}")

    def _same_shape(self, x: np.ndarray, y: np.ndarray, msg: str) -> None:
        if x.shape != y.shape:
            shown = f" Contents: {x!r} and {y!r}." if x.size + y.size < 200 else ""
            raise AssertionError(f"Shape mismatch: expected {x.shape}, got {y.shape}.{shown} {msg}")

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """Fail unless every element is greater."""
        self.assertGreater(self._array(a).min(), comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """Fail unless every element is less."""
        self.assertLess(self._array(a).max(), comparison_target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """Fail unless every element is greater or equal."""
        self.assertGreaterEqual(self._array(a).min(), comparison_target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """Fail unless every element is less or equal."""
        self.assertLessEqual(self._array(a).max(), comparison_target)

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """Fail unless every element is in a range; the bounds are in it unless said otherwise."""
        x = self._array(target)
        if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)):
            raise AssertionError(
                f"The value of {target} does not have an ordered numeric type, instead it has type: {x.dtype}"
            )
        with np.errstate(invalid="ignore"):
            low = x <= lower_bound if open_lower_bound else x < lower_bound
            high = x >= upper_bound if open_upper_bound else x > upper_bound
        off = low | high | (x != x)
        if np.any(off):
            left, right = "(" if open_lower_bound else "[", ")" if open_upper_bound else "]"
            raise AssertionError(
                f"Some elements are not in range {left}{lower_bound}, {upper_bound}{right}: "
                f"{x[off] if x.ndim else x} at {np.where(np.atleast_1d(off))}"
            )

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """Fail unless every element is in a set."""
        outside = np.setdiff1d(self._array(target), list(expected_set))
        if outside.size:
            raise AssertionError(f"{outside.size} unique element(s) are not in the set {expected_set}: {outside}")

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: Any = None) -> None:
        """Fail unless two lists of numbers differ by at most `err` at each place."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for one, other in zip(farray1, farray2):
            self.assertNear(float(one), float(other), err, msg)

    def assertNear(self, f1: float, f2: float, err: float, msg: Any = None) -> None:
        """Fail unless two numbers differ by at most `err`; equal infinities do not differ."""
        self.assertTrue(
            f1 == f2 or abs(f1 - f2) <= err, f"{f1} != {f2} +/- {err}{f' ({msg})' if msg is not None else ''}"
        )

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: Any = None) -> None:
        """Fail unless the distance of two arrays is less than `err`."""
        self.assertTrue(np.linalg.norm(np.asarray(ndarray1) - np.asarray(ndarray2)) < err, msg)

    def assertShapeEqual(self, np_array: Any, tf_tensor: Any, msg: Any = None) -> None:
        """Fail unless a tensor has the static shape of an array.

        Raises:
            TypeError: if they are not an array and a tensor.
        """
        if not isinstance(np_array, np.ndarray | np.generic):
            raise TypeError("np_array must be a Numpy ndarray or Numpy scalar")
        if not isinstance(tf_tensor, Tensor):
            raise TypeError("tf_tensor must be a Tensor")
        self.assertAllEqual(np_array.shape, tf_tensor.get_shape().as_list(), msg)

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """Fail unless a tensor, array or list has a type."""
        found = target.dtype.base_dtype if isinstance(target, Tensor) else dtypes.as_dtype(np.asarray(target).dtype)
        self.assertEqual(dtypes.as_dtype(expected_dtype), found)

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: Any = None) -> None:
        """Fail unless two devices, as text or objects, are the same."""
        first, second = (_device_text(device) for device in (device1, device2))
        self.assertEqual(first, second, f"Devices {first} and {second} are not equal. {msg or ''}")

    # Errors

    @contextmanager
    def assertRaisesWithPredicateMatch(self, exception_type: Any, expected_err_re_or_predicate: Any) -> Iterator[Any]:
        """Fail unless the block raises an error of the type that has the pattern, or that the predicate likes."""
        try:
            yield
        except exception_type as error:
            check = expected_err_re_or_predicate
            if callable(check):
                fine = check(error)
            else:
                text = f"{error.message}\nCaused by op {error.op}" if isinstance(error, errors.OpError) else str(error)
                fine = re.search(check, text)
            if not fine:
                raise AssertionError(f"Exception of type {type(error)}: {error}") from error
            return
        self.fail(f"{getattr(exception_type, '__name__', exception_type)} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """Fail unless the block raises a `tf.errors.OpError` that fits."""
        return self.assertRaisesWithPredicateMatch(errors.OpError, expected_err_re_or_predicate)

    # Messages

    def assertProtoEquals(self, expected_message_maybe_ascii: Any, message: Any, msg: Any = None) -> None:
        """Fail unless two messages are equal; the expected one may be in text format.

        Raises:
            TypeError: if it is neither text nor a message.
        """
        expected = expected_message_maybe_ascii
        if isinstance(expected, str):
            from google.protobuf import text_format

            expected = text_format.Parse(expected, type(message)())
        elif not hasattr(expected, "DESCRIPTOR"):
            raise TypeError(f"Can't compare protos of type {type(expected)} and {type(message)}. {msg or ''}")
        self.assertEqual(str(expected), str(message), msg)

    def assertProtoEqualsVersion(
        self, expected: str, actual: Any, producer: int = 134, min_consumer: int = 0, msg: Any = None
    ) -> None:
        """`assertProtoEquals`, with the versions of a graph added to the expected text."""
        self.assertProtoEquals(
            f"versions {{ producer: {producer} min_consumer: {min_consumer} }};\n{expected}", actual, msg
        )

    # Of absl's TestCase, which TensorFlow's is derived from

    def assertStartsWith(self, actual: Any, expected_start: Any, msg: Any = None) -> None:
        """Fail unless a text starts with another."""
        if not actual.startswith(expected_start):
            self.fail(f"{actual!r} does not start with {expected_start!r}. {msg or ''}")

    def assertEndsWith(self, actual: Any, expected_end: Any, msg: Any = None) -> None:
        """Fail unless a text ends with another."""
        if not actual.endswith(expected_end):
            self.fail(f"{actual!r} does not end with {expected_end!r}. {msg or ''}")

    def assertItemsEqual(self, expected_seq: Any, actual_seq: Any, msg: Any = None) -> None:
        """Fail unless two sequences have the same items in any order."""
        self.assertCountEqual(expected_seq, actual_seq, msg)

    def assertSameElements(self, expected_seq: Any, actual_seq: Any, msg: Any = None) -> None:
        """Fail unless two sequences have the same items, however often."""
        self.assertEqual(set(expected_seq), set(actual_seq), msg)

    def assertBetween(self, value: Any, minv: Any, maxv: Any, msg: Any = None) -> None:
        """Fail unless `minv <= value <= maxv`."""
        self.assertTrue(minv <= value <= maxv, f"{value!r} unexpectedly not between {minv!r} and {maxv!r}. {msg or ''}")

    def assertLen(self, container: Any, expected_len: int, msg: Any = None) -> None:
        """Fail unless `len(container)` is `expected_len`."""
        self.assertEqual(
            len(container),
            expected_len,
            f"{container!r} has length of {len(container)}, expected {expected_len}. {msg or ''}",
        )

    def assertEmpty(self, container: Any, msg: Any = None) -> None:
        """Fail unless a container has no items."""
        self.assertFalse(len(container), f"{container!r} has length of {len(container)}. {msg or ''}")

    def assertNotEmpty(self, container: Any, msg: Any = None) -> None:
        """Fail unless a container has items."""
        self.assertTrue(len(container), f"{container!r} has length of 0. {msg or ''}")

    def assertContainsSubset(self, expected_subset: Any, actual_set: Any, msg: Any = None) -> None:
        """Fail unless everything expected is there."""
        missing = set(expected_subset) - set(actual_set)
        self.assertFalse(missing, f"Missing elements {missing}. {msg or ''}")

    def assertContainsExactSubsequence(self, container: Any, subsequence: Any, msg: Any = None) -> None:
        """Fail unless a sequence has another, without gaps, somewhere in it."""
        items, wanted = list(container), list(subsequence)
        found = any(items[i : i + len(wanted)] == wanted for i in range(len(items) - len(wanted) + 1))
        self.assertTrue(found, f"{wanted} not found in {items}. {msg or ''}")

    def assertSequenceAlmostEqual(
        self, expected_seq: Any, actual_seq: Any, places: Any = None, msg: Any = None, delta: Any = None
    ) -> None:
        """Fail unless two sequences of numbers agree nearly."""
        self.assertEqual(len(expected_seq), len(actual_seq), msg)
        for one, other in zip(expected_seq, actual_seq):
            self.assertAlmostEqual(one, other, places, msg, delta)


class CheckedThread:
    """A thread whose exceptions fail its test."""

    def __init__(self, case: TestCase, target: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._case = case
        self._error: BaseException | None = None
        self._joined = False

        def run() -> None:
            try:
                target(*args, **kwargs)
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread to end, and fail the test if it raised."""
        self._joined = True
        self._thread.join()
        if self._error is not None:
            self._case.fail(f"Error in checkedThread: {self._error}")

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def check_termination(self) -> None:
        """Fail the test if the thread was never joined."""
        if self._thread.ident is not None and not self._joined:
            self._case.fail("A checked thread was not joined.")


def _is_ragged(value: Any) -> bool:
    """Whether it is a `RaggedTensor` or a `RaggedTensorValue`."""
    return hasattr(value, "nested_row_splits") and hasattr(value, "to_list")


def _is_plain(value: Any) -> bool:
    """Whether a list is one array, not a structure of several."""
    if any(
        isinstance(leaf, Tensor | Mapping) or hasattr(leaf, "_as_graph_element") for leaf in nest.flatten(list(value))
    ):
        return False
    if any(isinstance(item, Mapping) for item in value):
        return False
    try:
        return np.asarray(value).dtype != object
    except ValueError:
        return False


def _device_text(device: Any) -> str:
    text = device if isinstance(device, str) else device.to_string() if device is not None else ""
    return DeviceSpec.from_string(text).to_string()


@public("test.assert_equal_graph_def")
def assert_equal_graph_def(
    actual: Any, expected: Any, checkpoint_v2: bool = False, hash_table_shared_name: bool = False
) -> None:
    """Fail unless two GraphDefs have the same ops, in any order.

    Raises:
        TypeError: if one is no GraphDef.
        AssertionError: if they differ, with the differences.
    """
    for name, graph_def in (("actual", actual), ("expected", expected)):
        if getattr(getattr(graph_def, "DESCRIPTOR", None), "name", "") != "GraphDef":
            raise TypeError(f"Expected tf.GraphDef for {name}, got {type(graph_def).__name__}")
    ours = {node.name: node for node in actual.node}
    theirs = {node.name: node for node in expected.node}
    lines = [f"Found unexpected node '{ours[name]}'" for name in ours.keys() - theirs.keys()]
    lines += [f"Not found: expected node '{theirs[name]}'" for name in theirs.keys() - ours.keys()]
    for name in ours.keys() & theirs.keys():
        one, other = _without_controls_order(ours[name]), _without_controls_order(theirs[name])
        if one != other:
            lines.append(f"Node {name} differs:\n{one}\nexpected:\n{other}")
    if lines:
        raise AssertionError("\n".join(sorted(lines)))


def _without_controls_order(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    inputs = list(node.input)
    copy.input[:] = [n for n in inputs if not n.startswith("^")] + sorted(n for n in inputs if n.startswith("^"))
    return copy
