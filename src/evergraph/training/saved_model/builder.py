"""`tf.saved_model.builder.SavedModelBuilder`: writes a SavedModel, one graph after the other."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import files, messages, savedmodel
from evergraph.framework import convert, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys
from evergraph.framework.tensor import Tensor
from evergraph.ops.variables import saveable_objects
from evergraph.training.saved_model import assets, constants
from evergraph.training.saved_model.signatures import op_signature_def, predict_signature_def
from evergraph.training.saver import Saver


class GraphsBuilder:
    """Writes a SavedModel whose initializer and assets are named in the message, not in collections.

    Args:
        export_dir: the directory, which must be empty or not there.

    Raises:
        AssertionError: if it is not empty.
    """

    def __init__(self, export_dir: Any) -> None:
        self._saved_model = messages.SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
        self._export_dir = files.local(convert.as_text(os.fspath(export_dir)))
        if os.path.exists(self._export_dir):
            if not os.path.isdir(self._export_dir) or os.listdir(self._export_dir):
                raise AssertionError(
                    "Export directory already exists, and isn't empty. Please choose a different export directory, or "
                    f"delete all the contents of the specified directory: {self._export_dir}"
                )
        else:
            with files.translated(self._export_dir):
                os.makedirs(self._export_dir, exist_ok=True)
        self._has_saved_variables = False

    def add_meta_graph(
        self,
        tags: Any,
        signature_def_map: Any = None,
        assets_list: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        saver: Saver | None = None,
    ) -> None:
        """Add the default graph, with the variables that were saved before."""
        self._require_variables()
        signatures = self._checked(signature_def_map)
        self._add_ops(signatures, init_op, train_op)
        made = _saver(saver).export_meta_graph(clear_devices=clear_devices, strip_default_attrs=True)
        assets.add_assets(self._export_dir, assets_list, made.asset_file_def.append)
        self._add(made, tags, signatures)

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Any,
        signature_def_map: Any = None,
        assets_list: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Save the variables of `sess`, and add the default graph."""
        self._refuse_variables()
        signatures = self._checked(signature_def_map)
        self._add_ops(signatures, init_op, train_op)
        saver = self._save_variables(sess, saver)
        made = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        assets.add_assets(self._export_dir, assets_list, made.asset_file_def.append)
        self._add(made, tags, signatures)
        self._has_saved_variables = True

    def save(self, as_text: bool = False) -> bytes:
        """Write the graphs that were added; gives the file's path."""
        with files.translated(self._export_dir):
            os.makedirs(self._export_dir, exist_ok=True)
        path = savedmodel.write_saved_model(self._export_dir, self._saved_model, as_text)
        log.info("SavedModel written to: %s", path)
        return path.encode()

    def _require_variables(self) -> None:
        if not self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has not been saved yet. Please invoke "
                "`add_meta_graph_and_variables()` first."
            )

    def _refuse_variables(self) -> None:
        if self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. Please invoke "
                "`add_meta_graph()` instead."
            )

    def _save_variables(self, sess: Any, saver: Saver | None) -> Saver:
        with files.translated(self._export_dir):
            os.makedirs(os.path.join(self._export_dir, constants.VARIABLES_DIRECTORY), exist_ok=True)
        saver = _saver(saver)
        prefix = savedmodel.variables_prefix(self._export_dir)
        saver.save(sess, prefix, write_meta_graph=False, write_state=False)
        return saver

    def _checked(self, signature_def_map: Any) -> dict[str, Any]:
        signatures = dict(signature_def_map or {})
        for signature in signatures.values():
            for infos in signature.inputs, signature.outputs:
                for key in infos:
                    _check_tensor_info(infos[key])
        for key, what in (
            (constants.INIT_OP_SIGNATURE_KEY, "initialization"),
            (constants.TRAIN_OP_SIGNATURE_KEY, "the train op"),
        ):
            if key in signatures:
                raise KeyError(f'SignatureDef map key "{key}" is reserved for {what}. Please use a different key.')
        return signatures

    _validate_signature_def_map = _checked

    def _add_ops(self, signatures: dict[str, Any], init_op: Any, train_op: Any) -> None:
        for op, key in (
            (init_op, constants.INIT_OP_SIGNATURE_KEY),
            (train_op, constants.TRAIN_OP_SIGNATURE_KEY),
        ):
            if op is not None:
                signatures[key] = op_signature_def(op, key)

    def _add(self, meta_graph_def: Any, tags: Any, signatures: dict[str, Any]) -> None:
        meta_graph_def.meta_info_def.tags.extend(tags)
        for key, signature in signatures.items():
            meta_graph_def.signature_def[key].ParseFromString(signature.SerializeToString())
        self._saved_model.meta_graphs.append(meta_graph_def)


def _saver(saver: Saver | None) -> Saver:
    return saver or Saver(saveable_objects(), sharded=True, allow_empty=True)


def _check_tensor_info(info: Any) -> None:
    if info is None:
        raise AssertionError("All TensorInfo protos used in the SignatureDefs must have the name and dtype fields set.")
    encoding = info.WhichOneof("encoding")
    if encoding is None:
        raise AssertionError(
            "All TensorInfo protos used in the SignatureDefs must have one of the 'encoding' fields (e.g., name or "
            f"coo_sparse) set: {info}"
        )
    if encoding == "composite_tensor":
        for component in info.composite_tensor.components:
            _check_tensor_info(component)
    elif not info.dtype:
        raise AssertionError(f"All TensorInfo protos used in the SignatureDefs must have the dtype field set: {info}")


@public("saved_model.Builder", "saved_model.builder.SavedModelBuilder")
class SavedModelBuilder(GraphsBuilder):
    """Writes a SavedModel: one or more graphs that share their variables, each with tags to ask for it by.

    Args:
        export_dir: the directory, which must be empty or not there.

    Raises:
        AssertionError: if it is not empty.

    >>> v = tf.Variable(3.0, name="v")
    >>> y = tf.multiply(v, 2.0, name="y")
    >>> sess.run(tf.global_variables_initializer())
    >>> builder = tf.saved_model.builder.SavedModelBuilder(folder + "/model")
    >>> builder.add_meta_graph_and_variables(sess, [tf.saved_model.SERVING])
    >>> path = builder.save()
    >>> with tf.Session(graph=tf.Graph()) as other:
    ...     graph = tf.saved_model.load(other, [tf.saved_model.SERVING], folder + "/model")
    ...     other.run("y:0")
    6.0
    """

    def add_meta_graph(  # type: ignore[override]  # other arguments, as in TF
        self,
        tags: Any,
        signature_def_map: Any = None,
        assets_collection: Any = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        main_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Add the default graph, with the variables that were saved before.

        Args:
            tags: strings to ask for this graph by.
            signature_def_map: names to `SignatureDef` messages.
            assets_collection: constants with the paths of files that the graph reads, which are copied.
            legacy_init_op: the older name of `main_op`.
            clear_devices: whether to forget on which devices ops are.
            main_op: the op to run after loading.
            strip_default_attrs: whether to leave out attributes at their defaults.
            saver: the saver to use; by default one of all variables.

        Raises:
            AssertionError: if no variables were saved yet, or a signature is incomplete.
        """
        self._require_variables()
        signatures = self._checked(signature_def_map)
        self._add_collections(assets_collection, main_op or legacy_init_op)
        made = _saver(saver).export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        self._add(made, tags, signatures)

    def add_meta_graph_and_variables(  # type: ignore[override]  # other arguments, as in TF
        self,
        sess: Any,
        tags: Any,
        signature_def_map: Any = None,
        assets_collection: Any = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        main_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Save the variables of `sess`, and add the default graph; the other arguments are those of `add_meta_graph`.

        Raises:
            AssertionError: if variables were saved already, or a signature is incomplete.
        """
        self._refuse_variables()
        signatures = self._checked(signature_def_map)
        self._add_collections(assets_collection, main_op or legacy_init_op)
        saver = self._save_variables(sess, saver)
        made = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        self._add(made, tags, signatures)
        self._has_saved_variables = True

    def _add_collections(self, assets_collection: Any, main_op: Any, train_op: Any = None) -> None:
        assets.add_assets(self._export_dir, assets_collection, assets.add_to_collection)
        graph = get_default_graph()
        if main_op is not None:
            if not isinstance(main_op, Operation):
                raise TypeError(f"main_op needs to be an Operation: {main_op!r}")
            for key in constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY:
                if graph.get_collection(key):
                    raise ValueError(f"Graph already contains one or more main ops under the collection {key}.")
            graph.add_to_collection(constants.MAIN_OP_KEY, main_op)
        if train_op is not None:
            if not isinstance(train_op, Tensor | Operation):
                raise TypeError(f"train_op needs to be a Tensor or Op: {train_op!r}")
            graph.add_to_collection(constants.TRAIN_OP_KEY, train_op)


@public("saved_model.simple_save")
def simple_save(session: Any, export_dir: Any, inputs: Any, outputs: Any, legacy_init_op: Any = None) -> None:
    """Write the default graph and the variables of `session` as a SavedModel for serving.

    Args:
        session: has the variables' values.
        export_dir: the directory, which must be empty or not there.
        inputs, outputs: dicts of tensors, the model's signature.
        legacy_init_op: the op to run after loading.
    """
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session,
        tags=[constants.SERVING],
        signature_def_map={constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: predict_signature_def(inputs, outputs)},
        assets_collection=get_default_graph().get_collection(GraphKeys.ASSET_FILEPATHS),
        main_op=legacy_init_op,
        clear_devices=True,
    )
    builder.save()
