"""What a model gives when it is exported: values of a kind, each kind with a signature of its own.

A `RegressionOutput` can be served to whoever asks for regressions, and so on. An estimator's model function has a dict
of them; whoever writes a SavedModel asks each for its signature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.training.saved_model import signatures

_SEPARATOR = "/"


@public("estimator.export.ExportOutput")
class ExportOutput(ABC):
    """Outputs of a model that can say which signature they have."""

    _SEPARATOR_CHAR = _SEPARATOR

    @abstractmethod
    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """The `SignatureDef` of a model with these outputs.

        Args:
            receiver_tensors: a dict of the tensors to feed.

        Raises:
            ValueError: if there is no such signature for them.
        """


def _key(key: Any, label: str) -> str:
    if isinstance(key, tuple):
        key = _SEPARATOR.join(key)
    if not isinstance(key, str):
        raise ValueError(f"{label} output key must be a string; got {key}.")
    return key


def _tensors(outputs: Any, default: str, label: str) -> dict[str, Tensor]:
    """Outputs by name; a single tensor is called `default`."""
    found = {}
    for key, value in (outputs if isinstance(outputs, dict) else {default: outputs}).items():
        name = _key(key, label)
        if not isinstance(value, Tensor):
            raise ValueError(f"{label} output value must be a Tensor; got {value}.")
        found[name] = value
    return found


def _examples(receiver_tensors: Any, label: str) -> Tensor:
    """The only input, which must be serialized examples."""
    values = list(receiver_tensors.values())
    if len(values) != 1 or dtypes.as_dtype(values[0].dtype) is not dtypes.string:
        raise ValueError(f"{label} input must be a single string Tensor; got {receiver_tensors}")
    return values[0]


@public("estimator.export.ClassificationOutput")
class ClassificationOutput(ExportOutput):
    """Classes of examples, their scores, or both.

    Args:
        scores: a tensor of floats: a score for each class, in the order of `classes` if those are given.
        classes: a tensor of strings: labels.

    Raises:
        ValueError: if neither is given, or one is of another type.

    >>> scores = tf.placeholder(tf.float32, [None, 3], name="scores")
    >>> output = tf.estimator.export.ClassificationOutput(scores=scores)
    >>> examples = tf.placeholder(tf.string, [None], name="examples")
    >>> output.as_signature_def({"examples": examples}).method_name
    'tensorflow/serving/classify'
    """

    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is not None and not (isinstance(scores, Tensor) and scores.dtype.is_floating):
            raise ValueError(f"Classification scores must be a float32 Tensor; got {scores}")
        if classes is not None and not (isinstance(classes, Tensor) and classes.dtype == dtypes.string):
            raise ValueError(f"Classification classes must be a string Tensor; got {classes}")
        if scores is None and classes is None:
            raise ValueError("At least one of scores and classes must be set.")
        self.scores, self.classes = scores, classes

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        examples = _examples(receiver_tensors, "Classification")
        return signatures.classification_signature_def(examples, self.classes, self.scores)


@public("estimator.export.RegressionOutput")
class RegressionOutput(ExportOutput):
    """A number for each example.

    Args:
        value: a tensor of floats.

    Raises:
        ValueError: if it is something else.
    """

    def __init__(self, value: Any) -> None:
        if not (isinstance(value, Tensor) and value.dtype.is_floating):
            raise ValueError(f"Regression output value must be a float32 Tensor; got {value}")
        self.value = value

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        return signatures.regression_signature_def(_examples(receiver_tensors, "Regression"), self.value)


@public("estimator.export.PredictOutput")
class PredictOutput(ExportOutput):
    """Any outputs.

    Args:
        outputs: a tensor, or a dict from names to tensors.

    Raises:
        ValueError: for names that are no strings, or values that are no tensors.
    """

    def __init__(self, outputs: Any) -> None:
        self.outputs = _tensors(outputs, "output", "Prediction")

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        return signatures.predict_signature_def(receiver_tensors, self.outputs)


class SupervisedOutput(ExportOutput):
    """What a step of training or evaluation gives.

    Args:
        loss, predictions: a tensor, or a dict of tensors. Names get `loss/` and `predictions/` in front.
        metrics: a pair of a value and the op that updates it, an object with `result()` and `updates`, or a dict of
            either. An op is given the value of an empty tensor that waits for it.

    Raises:
        ValueError: for names that are no strings, or values that are no tensors.
    """

    def __init__(self, loss: Any = None, predictions: Any = None, metrics: Any = None) -> None:
        self.loss = None if loss is None else _prefixed(_tensors(loss, "loss", "loss"), "loss")
        self.predictions = (
            None
            if predictions is None
            else _prefixed(_tensors(predictions, "predictions", "predictions"), "predictions")
        )
        self.metrics = None if metrics is None else _metric_tensors(metrics)

    def _get_signature_def_fn(self) -> Callable[..., Any]:
        raise NotImplementedError

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        return self._get_signature_def_fn()(receiver_tensors, self.loss, self.predictions, self.metrics)


def _prefixed(values: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {_with_prefix(key, prefix): value for key, value in values.items()}


def _with_prefix(key: str, prefix: str) -> str:
    return key if key.startswith(prefix) else f"{prefix}{_SEPARATOR}{key}"


def _metric_tensors(metrics: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, given in (metrics if isinstance(metrics, dict) else {"metrics": metrics}).items():
        value, update = given if isinstance(given, tuple) else (given.result(), given.updates[0])
        name = _with_prefix(_key(key, "metrics"), "metrics")
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} output value must be a Tensor; got {value}.")
        if not isinstance(update, Tensor | Operation):
            raise ValueError(f"{name} update_op must be a Tensor or Operation; got {update}.")
        if isinstance(update, Operation):
            with control_dependencies([update]):
                update = constant([], name="metric_op_wrapper")
        found[f"{name}{_SEPARATOR}value"] = value
        found[f"{name}{_SEPARATOR}update_op"] = update
    return found


class TrainOutput(SupervisedOutput):
    """What a step of training gives."""

    def _get_signature_def_fn(self) -> Callable[..., Any]:
        return signatures.supervised_train_signature_def


class EvalOutput(SupervisedOutput):
    """What a step of evaluation gives."""

    def _get_signature_def_fn(self) -> Callable[..., Any]:
        return signatures.supervised_eval_signature_def
