"""Puts the public names together: `tf.add`, `tf.nn.relu`, `tf.train.AdamOptimizer`, ...

The modules listed here declare their public names with `framework.api.public`. Those of `EAGER` are imported with
`import evergraph`; those of `LAZY` when a name of their namespace is first asked for; the families of ops that have a
folder of their own (`ops/image`, ...) when a name or a type of op is asked for that is not there yet. Each namespace
("nn", "math", "train", ...) becomes a module `evergraph.<namespace>`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import threading
import types
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evergraph import ops
from evergraph.framework import api, dtypes, errors, opdefs, shapes

EAGER = (
    "framework.scopes",
    "framework.sparse",
    *sorted(f"ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__) if not module.ispkg),
    "autodiff.gradients",
    "autodiff.control_flow",
    "autodiff.custom",
    "autodiff.hessians",
    "autodiff.tape",
    "formats.graphdef",
    "formats.graph_import",
    "runtime.session",
    "compat.switches",
    "public_names",
)

CONTRIB_LAYERS = tuple(
    f"contrib.layer_toolkit.{name}"
    for name in (
        "outputs", "initializers", "regularizers", "convolutions", "dense", "pooling", "arrangements", "normalizations",
        "batch_norm", "training", "summaries", "embeddings",
    )
)  # fmt: skip
CONTRIB_SLIM = (
    "contrib.scoped_arguments",
    "contrib.model_variables",
    "contrib.values_from_elsewhere",
    "contrib.global_steps",
)

TRAINING_LOOPS = (
    "training.session_run_hook",
    "training.session_manager",
    "training.session_creators",
    "training.scaffold",
    "training.monitored_session",
    "training.supervisor",
    "training.basic_loops",
    "training.sync_replicas_optimizer",
    "training.cluster_spec",
    "training.device_setter",
    "training.server",
    *(
        f"training.hooks.{name}"
        for name in (
            "timers", "tensor_logging", "stopping", "checkpoint_saving", "step_counter", "summary_saving", "profiling",
            "feeding_and_waiting",
        )
    ),
)  # fmt: skip

# Namespace to the modules that fill it when it is first used.
LAZY: dict[str, tuple[str, ...]] = {
    "": (
        "compat.libraries",
        "runtime.eager_functions",
        "runtime.export.pure_function",
        "training.stablehlo_files",
        "training.onnx_files.model",
        "training.tracking.module",
    ),
    "train": (
        "training.optimizer",
        "training.gradient_descent",
        "training.momentum",
        "training.adam",
        "training.adagrad",
        "training.rmsprop",
        "training.adadelta",
        "training.ftrl",
        "training.proximal_gradient_descent",
        "training.global_step",
        "training.learning_rate_decay",
        "training.moving_averages",
        "training.coordinator",
        "training.queue_runner",
        "training.input_producers",
        "training.batching",
        "training.shuffling",
        "training.checkpoint_management",
        "training.checkpoint_reader",
        "training.checkpoint_utils",
        "training.graph_io",
        "training.meta_graph",
        "training.meta_graph_import",
        "training.saver",
        "training.summary_writer",
        "training.warm_starting",
        *TRAINING_LOOPS,
        "training.tracking.checkpoint",
        "training.tracking.manager",
    ),
    "train.experimental": (
        "training.tracking.checkpoint",
        "training.loss_scale",
        "training.loss_scale_optimizer",
    ),
    "contrib.checkpoint": ("training.tracking.checkpoint", "training.tracking.manager"),
    "summary": ("ops.summary.functions", "training.summary_writer", "training.writer_summaries"),
    "contrib.summary": ("training.writer_summaries",),
    "compat.v2.summary": ("training.step_summaries",),
    "compat.v2.summary.experimental": ("training.step_summaries",),
    "graph_util": ("training.graph_util",),
    "profiler": tuple(f"training.profiler.{name}" for name in ("profiler", "option_builder", "op_log")),
    "saved_model": (
        "training.saved_model.constants",
        "training.saved_model.signatures",
        "training.saved_model.builder",
        "training.saved_model.loader",
        "training.saved_model.objects_loading",
        "training.saved_model.objects_saving",
    ),
    "estimator.export": ("training.saved_model.export_outputs",),
    "saved_model.builder": ("training.saved_model.builder",),
    "saved_model.constants": ("training.saved_model.constants",),
    "saved_model.loader": ("training.saved_model.loader",),
    "saved_model.main_op": ("training.saved_model.loader",),
    "saved_model.signature_constants": ("training.saved_model.constants",),
    "saved_model.signature_def_utils": ("training.saved_model.signatures",),
    "saved_model.tag_constants": ("training.saved_model.constants",),
    "saved_model.utils": ("training.saved_model.signatures",),
    "io": ("training.graph_io", "training.record_io", "training.input_producers"),
    "python_io": ("training.record_io",),
    "lookup": ("ops.tables.initializers", "ops.tables.static_tables", "ops.tables.vocabulary_tables"),
    "lookup.experimental": ("training.mutable_tables",),
    "contrib.staging": ("ops.queues.staging_classes",),
    "contrib.training": (
        "training.bucketing",
        "contrib.hyperparameters",
        "training.checkpoint_utils",
        "contrib.train_ops",
        "training.evaluation",
        "contrib.slim_training",
    ),
    "contrib.eager": ("contrib.eager_names",),
    "contrib.losses": ("contrib.weighted_losses",),
    "contrib.learn": ("contrib.documents",),
    "contrib.learn.preprocessing": ("contrib.documents",),
    "contrib.opt": tuple(
        f"contrib.optimizers.{n}"
        for n in (
            "external",
            "adam_variants",
            "weight_decay",
            "lars",
            "wrappers",
            "adamax",
            "global_step_adam",
            "sign_optimizers",
            "reg_adagrad",
            "shampoo",
            "ggt",
            "agn",
            "elastic_average",
            "model_average",
        )
    ),
    "contrib.tfprof": ("training.profiler.context", "contrib.profiling_names"),
    "contrib.tfprof.model_analyzer": ("training.profiler.context", "contrib.profiling_names"),
    "contrib.tfprof.tfprof_logger": ("contrib.profiling_names",),
    "contrib.metrics": ("contrib.streaming_metrics",),
    "contrib.lookup": ("ops.tables.vocabularies", "training.mutable_tables"),
    "train.coordinator": ("training.coordinator",),
    "train.queue_runner": ("training.queue_runner",),
    "layers": ("layers.scoped_layer", "layers.scoped_core", "layers.scoped_convolutional", "layers.scoped_pooling"),
    "layers.experimental": ("layers.scoped_layer",),
    "nn": ("layers.dynamic_rnn", "layers.static_rnn"),
    "nn.rnn_cell": ("layers.cells", "layers.lstm_cells", "layers.cell_stack", "layers.cell_wrappers"),
    "metrics": tuple(f"training.metrics.{n}" for n in ("means", "classes", "counts", "thresholds", "area", "at_k")),
    "contrib.framework": (
        "training.vocabulary_remapping",
        "layers.smart_cond",
        "contrib.scoped_arguments",
        "contrib.model_variables",
        "contrib.values_from_elsewhere",
        "contrib.global_steps",
        "training.checkpoint_utils",
    ),
    "contrib.layers": CONTRIB_LAYERS,
    "contrib.rnn": tuple(
        f"contrib.recurrent.{name}"
        for name in (
            "names",
            "linear",
            "projections",
            "block_cells",
            "sequences",
            "norm_and_attention",
            "further_cells",
        )
    ),
    "contrib.slim": (*CONTRIB_LAYERS, *CONTRIB_SLIM),
    "contrib.slim.learning": ("contrib.train_ops", "contrib.slim_training"),
    "contrib.slim.evaluation": ("contrib.slim_training",),
    "contrib.slim.losses": ("contrib.weighted_losses",),
    "contrib.slim.metrics": ("contrib.streaming_metrics",),
    "contrib.slim.model_analyzer": ("contrib.train_ops",),
    "contrib.legacy_seq2seq": tuple(f"contrib.sequence_models.{n}" for n in ("legacy_losses", "legacy_models")),
    "contrib.seq2seq": tuple(
        f"contrib.sequence_models.{name}"
        for name in ("sampling", "decoding", "attention", "attention_cell", "gather_tree", "beam_search")
    ),
    "app": ("compat.app",),
    "data": ("data.dataset", "data.readers"),
    "data.experimental": (
        "data.dataset",
        "data.transformations",
        "data.checkpointing",
        "data.grouping",
        "data.sampling",
        "data.table_readers",
        "data.parsing",
    ),
    "contrib.data": (
        "data.contrib",
        "data.transformations",
        "data.checkpointing",
        "data.grouping",
        "data.sampling",
        "data.table_readers",
        "data.parsing",
    ),
    "distribute": ("distribute.one_replica", "training.server"),
    "compat": ("compat.types",),
    "config": ("compat.config",),
    "config.experimental": ("compat.config",),
    "config.optimizer": ("compat.config",),
    "config.threading": ("compat.config",),
    "flags": ("compat.flags",),
    "gfile": ("compat.gfile",),
    "io.gfile": ("compat.gfile",),
    "logging": ("framework.log",),
    "nest": ("framework.nest",),
    "contrib.framework.nest": ("framework.nest",),
    "contrib.util": ("ops.parsing.tensor_protos",),
    "raw_ops": ("compat.raw_ops",),
    "resource_loader": ("compat.resource_loader",),
    "sysconfig": ("compat.sysconfig",),
    "test": ("testing.test_case", "testing.gradient_checker", "testing.places"),
}

# Packages of ours: one that has a namespace's name (`tf.compat`) holds that namespace's names too.
PACKAGES = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg}

MESSAGES = (
    "AttrValue", "ConfigProto", "Event", "GPUOptions", "GraphDef", "GraphOptions", "HistogramProto", "LogMessage",
    "MetaGraphDef", "NameAttrList", "NodeDef", "OptimizerOptions", "RunMetadata", "RunOptions", "SessionLog", "Summary",
    "SummaryMetadata", "OpDef", "TensorInfo",
)  # fmt: skip


SUMMARY_MESSAGES = ("Event", "SessionLog", "Summary", "SummaryDescription", "TaggedRunMetadata")
TRAIN_MESSAGES = (
    "BytesList", "ClusterDef", "Example", "Feature", "FeatureList", "FeatureLists", "Features", "FloatList",
    "Int64List", "JobDef", "SaverDef", "SequenceExample", "ServerDef",
)  # fmt: skip


class Namespace(types.ModuleType):
    """A module whose names come from the table of public names."""

    def __init__(self, path: str, table: dict[str, Any]) -> None:
        super().__init__(f"evergraph.{path}" if path else "evergraph", f"tf.{path}")
        self.__path__: list[str] = []
        self._path = path
        self.__dict__.update(table)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _find(self._path, name, self.__dict__)


_loaded: set[str] = set()
_of_thread = threading.local()


def _find(path: str, name: str, into: dict[str, Any]) -> Any:
    """A public name that is not there yet: a message class, a namespace, or something of a lazy module."""
    table = api.NAMES.get(path, {})
    if name not in table and path in LAZY and path not in _loaded:
        _load(path)
        table = api.NAMES.get(path, {})
    if name in table:
        into[name] = table[name]
        return table[name]
    if name in {"": MESSAGES, "train": TRAIN_MESSAGES, "summary": SUMMARY_MESSAGES}.get(path, ()):
        from evergraph.formats import messages

        into[name] = getattr(messages, name)
        return into[name]
    inner = f"{path}.{name}" if path else name
    if any(n == inner or n.startswith(inner + ".") for names in (LAZY, api.NAMES) for n in list(names)):
        return _namespace(inner)
    if path in PACKAGES and importlib.util.find_spec(f"evergraph.{path}.{name}") is not None:
        return importlib.import_module(f"evergraph.{path}.{name}")
    if opdefs.declare_rest():
        return _find(path, name, into)
    known = [n for n in [*table, *into] if not n.startswith("_")]
    near = get_close_matches(name, known, 3)
    full = f"tf.{inner}"
    hint = f"; there are {', '.join(near)}" if near else ""
    raise AttributeError(
        f"module 'evergraph{'.' + path if path else ''}' has no attribute {name!r}: {full} is not there{hint}"
    )


def _namespace(path: str) -> Namespace:
    full = f"evergraph.{path}"
    found = sys.modules.get(full)
    if isinstance(found, Namespace):
        return found
    made = Namespace(path, api.NAMES.get(path, {}))
    if path in PACKAGES:
        package = importlib.import_module(full)
        made.__dict__.update(vars(package) | made.__dict__)
        made.__path__, made.__spec__ = list(package.__path__), package.__spec__
    sys.modules[full] = made
    parent, _, last = full.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, made)
    return made


def _load(path: str) -> None:
    """Import the lazy modules of a namespace; another thread that does the same waits, module by module."""
    loading = _of_thread.__dict__.setdefault("loading", set())
    if path not in loading:
        loading.add(path)
        try:
            _import(LAZY[path])
        finally:
            loading.discard(path)
        _loaded.add(path)


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(f"evergraph.{name}")


def _import_families() -> None:
    """Import the families of ops in folders of their own."""
    for folder in pkgutil.iter_modules(ops.__path__):
        if folder.ispkg and folder.name != "xla":
            family = importlib.import_module(f"evergraph.ops.{folder.name}")
            _import(tuple(f"ops.{folder.name}.{module.name}" for module in pkgutil.iter_modules(family.__path__)))


def assemble(package: dict[str, Any]) -> None:
    """Fill the package `evergraph` with its public names."""
    _import(EAGER)
    opdefs.declare_more.append(_import_families)
    for kind in (*dtypes.ALL, *(d._ref for d in dtypes.ALL)):
        package[kind.name] = kind
    package.update(half=dtypes.half, double=dtypes.double, DType=dtypes.DType, as_dtype=dtypes.as_dtype)
    package.update(TensorShape=shapes.TensorShape, Dimension=shapes.Dimension, errors=errors)
    package.update(api.NAMES[""])
    package["__getattr__"] = lambda name: _find("", name, package) if not name.startswith("__") else _missing(name)
    package["__path__"] = sys.modules["evergraph"].__path__
    real = {"framework", "formats", "ops", "autodiff", "compiler", "runtime", "training", "data", "cli", "compat"}
    for path in sorted(api.NAMES):
        head = path.partition(".")[0]
        if path and head not in real:
            _namespace(path)
    for path in filter(None, LAZY):
        _namespace(path)


def _missing(name: str) -> Any:
    raise AttributeError(name)
