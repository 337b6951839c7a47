"""Signatures: which tensors are the inputs and outputs of a use of a model."""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.framework import dtypes, errors, nest
from evergraph.framework.api import public
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.variables import prepend_name_scope
from evergraph.training.saved_model import constants, structures

_STRING, _FLOAT = int(dtypes.string), int(dtypes.float32)


# Tensors


@public("saved_model.build_tensor_info", "saved_model.utils.build_tensor_info")
def build_tensor_info(tensor: Any) -> Any:
    """The `TensorInfo` message that names a tensor, or a sparse or ragged tensor."""
    if isinstance(tensor, CompositeTensor) and not isinstance(tensor, SparseTensor):
        return _composite_info(tensor)
    info = messages.TensorInfo(dtype=int(dtypes.as_dtype(tensor.dtype)), tensor_shape=tensor.get_shape().as_proto())
    if isinstance(tensor, SparseTensor):
        info.coo_sparse.values_tensor_name = tensor.values.name
        info.coo_sparse.indices_tensor_name = tensor.indices.name
        info.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
    else:
        info.name = tensor.name
    return info


def _composite_info(value: Any) -> Any:
    info = messages.TensorInfo()
    info.composite_tensor.type_spec.CopyFrom(structures.encoded(value._type_spec).type_spec_value)
    info.composite_tensor.components.extend(build_tensor_info(t) for t in nest.flatten(value, expand_composites=True))
    return info


def build_tensor_info_from_op(op: Any) -> Any:
    """The `TensorInfo` message that names an op."""
    info = messages.TensorInfo(name=op.name)
    info.tensor_shape.unknown_rank = True
    return info


@public("saved_model.get_tensor_from_tensor_info", "saved_model.utils.get_tensor_from_tensor_info")
def get_tensor_from_tensor_info(tensor_info: Any, graph: Graph | None = None, import_scope: str | None = None) -> Any:
    """The tensor, or sparse tensor, that a `TensorInfo` message names.

    Args:
        tensor_info: the message.
        graph: where to look; the default graph if None.
        import_scope: the scope that the graph was imported into.

    Raises:
        KeyError: if there is none.
        ValueError: if the message names nothing.
    """
    graph = graph or get_default_graph()

    def find(name: str) -> Tensor:
        return graph.get_tensor_by_name(prepend_name_scope(name, import_scope))

    encoding = tensor_info.WhichOneof("encoding")
    if encoding == "name":
        return find(tensor_info.name)
    if encoding == "coo_sparse":
        sparse = tensor_info.coo_sparse
        return SparseTensor(
            find(sparse.indices_tensor_name), find(sparse.values_tensor_name), find(sparse.dense_shape_tensor_name)
        )
    if encoding == "composite_tensor":
        composite = tensor_info.composite_tensor
        wrapped = messages.StructuredValue(type_spec_value=composite.type_spec)
        spec = structures.decoded(wrapped)
        parts = [find(part.name) for part in composite.components]
        return spec._from_components(nest.pack_sequence_as(spec._component_specs, parts))
    raise ValueError(f"Invalid TensorInfo.encoding: {encoding}")


def get_element_from_tensor_info(tensor_info: Any, graph: Graph | None = None, import_scope: str | None = None) -> Any:
    """The tensor or op that a `TensorInfo` message names."""
    return (graph or get_default_graph()).as_graph_element(prepend_name_scope(tensor_info.name, import_scope))


# Signatures


@public("saved_model.build_signature_def", "saved_model.signature_def_utils.build_signature_def")
def build_signature_def(inputs: Any = None, outputs: Any = None, method_name: str | None = None) -> Any:
    """A `SignatureDef` message.

    Args:
        inputs, outputs: dicts of `TensorInfo` messages.
        method_name: what the signature is for.
    """
    made = messages.SignatureDef()
    for key, info in (inputs or {}).items():
        made.inputs[key].ParseFromString(info.SerializeToString())
    for key, info in (outputs or {}).items():
        made.outputs[key].ParseFromString(info.SerializeToString())
    if method_name is not None:
        made.method_name = method_name
    return made


def _checked(tensor: Any, dtype: int, what: str, kind: str) -> Any:
    info = build_tensor_info(tensor)
    if info.dtype != dtype:
        raise ValueError(f"{what} must be a {kind} Tensor.")
    return info


@public("saved_model.regression_signature_def", "saved_model.signature_def_utils.regression_signature_def")
def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """The signature of a model that gives a number for each serialized `Example`.

    Raises:
        ValueError: if `examples` is no string tensor, or `predictions` no float32 one.
    """
    if examples is None:
        raise ValueError("Regression examples cannot be None.")
    if not isinstance(examples, Tensor):
        raise ValueError("Regression examples must be a string Tensor.")
    if predictions is None:
        raise ValueError("Regression predictions cannot be None.")
    inputs = {constants.REGRESS_INPUTS: _checked(examples, _STRING, "Regression examples", "string")}
    outputs = {constants.REGRESS_OUTPUTS: _checked(predictions, _FLOAT, "Regression output", "float")}
    return build_signature_def(inputs, outputs, constants.REGRESS_METHOD_NAME)


@public("saved_model.classification_signature_def", "saved_model.signature_def_utils.classification_signature_def")
def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """The signature of a model that classifies serialized `Example` messages.

    Args:
        examples: a string tensor.
        classes: a string tensor of labels, or None.
        scores: a float32 tensor, or None.

    Raises:
        ValueError: for tensors of other types, or neither classes nor scores.
    """
    if examples is None:
        raise ValueError("Classification examples cannot be None.")
    if not isinstance(examples, Tensor):
        raise ValueError("Classification examples must be a string Tensor.")
    if classes is None and scores is None:
        raise ValueError("Classification classes and scores cannot both be None.")
    inputs = {constants.CLASSIFY_INPUTS: _checked(examples, _STRING, "Classification examples", "string")}
    outputs = {}
    if classes is not None:
        outputs[constants.CLASSIFY_OUTPUT_CLASSES] = _checked(classes, _STRING, "Classification classes", "string")
    if scores is not None:
        outputs[constants.CLASSIFY_OUTPUT_SCORES] = _checked(scores, _FLOAT, "Classification scores", "float")
    return build_signature_def(inputs, outputs, constants.CLASSIFY_METHOD_NAME)


@public("saved_model.predict_signature_def", "saved_model.signature_def_utils.predict_signature_def")
def predict_signature_def(inputs: Any, outputs: Any) -> Any:
    """The signature of any model, from dicts of tensors.

    Raises:
        ValueError: if one of them is empty.

    >>> x = tf.placeholder(tf.float32, [None], name="x")
    >>> signature = tf.saved_model.predict_signature_def({"x": x}, {"y": x * 2})
    >>> signature.inputs["x"].name, signature.method_name
    ('x:0', 'tensorflow/serving/predict')
    """
    if not inputs:
        raise ValueError("Prediction inputs cannot be None or empty.")
    if not outputs:
        raise ValueError("Prediction outputs cannot be None or empty.")
    return build_signature_def(
        {key: build_tensor_info(tensor) for key, tensor in inputs.items()},
        {key: build_tensor_info(tensor) for key, tensor in outputs.items()},
        constants.PREDICT_METHOD_NAME,
    )


def supervised_train_signature_def(inputs: Any, loss: Any, predictions: Any = None, metrics: Any = None) -> Any:
    """The signature of a model's training step."""
    return _supervised(constants.SUPERVISED_TRAIN_METHOD_NAME, inputs, loss, predictions, metrics)


def supervised_eval_signature_def(inputs: Any, loss: Any, predictions: Any = None, metrics: Any = None) -> Any:
    """The signature of a model's evaluation."""
    return _supervised(constants.SUPERVISED_EVAL_METHOD_NAME, inputs, loss, predictions, metrics)


def _supervised(method_name: str, inputs: Any, *output_sets: Any) -> Any:
    if not inputs:
        raise ValueError(f"{method_name} inputs cannot be None or empty.")
    outputs = {key: build_tensor_info(tensor) for given in output_sets for key, tensor in (given or {}).items()}
    return build_signature_def({k: build_tensor_info(t) for k, t in inputs.items()}, outputs, method_name)


@public("saved_model.is_valid_signature", "saved_model.signature_def_utils.is_valid_signature")
def is_valid_signature(signature_def: Any) -> bool:
    """Whether a signature has the inputs and outputs that its method asks for."""
    if signature_def is None:
        return False
    inputs = {key: info.dtype for key, info in signature_def.inputs.items()}
    outputs = {key: info.dtype for key, info in signature_def.outputs.items()}
    match signature_def.method_name:
        case constants.PREDICT_METHOD_NAME:
            return bool(inputs) and bool(outputs)
        case constants.REGRESS_METHOD_NAME:
            return inputs == {constants.REGRESS_INPUTS: _STRING} and outputs == {constants.REGRESS_OUTPUTS: _FLOAT}
        case constants.CLASSIFY_METHOD_NAME:
            allowed = {constants.CLASSIFY_OUTPUT_CLASSES: _STRING, constants.CLASSIFY_OUTPUT_SCORES: _FLOAT}
            return (
                inputs == {constants.CLASSIFY_INPUTS: _STRING}
                and bool(outputs)
                and all(allowed.get(key) == kind for key, kind in outputs.items())
            )
    return False


def op_signature_def(op: Any, key: str) -> Any:
    """A signature that only names an op."""
    return build_signature_def(outputs={key: build_tensor_info_from_op(op)})


def load_op_from_signature_def(signature_def: Any, key: str, import_scope: str | None = None) -> Any:
    """The op that `op_signature_def` named.

    Raises:
        NotFoundError: if it is not in the default graph.
    """
    try:
        return get_element_from_tensor_info(signature_def.outputs[key], import_scope=import_scope)
    except KeyError:
        raise errors.NotFoundError(
            None,
            None,
            f"The {key} could not be found in the graph. Please make sure the SavedModel was created by the internal "
            "_SavedModelBuilder. If you are using the public API, please make sure the SignatureDef in the SavedModel "
            f'does not contain the key "{key}".',
        ) from None
