"""Where TensorFlow's internal names are in its public API.

`tensorflow.python.ops.array_ops.depth_to_space_v2` is `tf.nn.depth_to_space`. The table, `internal_names.txt`, is made
from TensorFlow 1.15 itself by tools/list_internal_names.py: a line per internal module, with `name` where the public
name is `tf.name` and `name=public.name` elsewhere. A name with no public form may be listed in `OURS`, with the place
where Evergraph has it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_FUNCTIONS = "compat.internal_functions:"
_DECORATOR = _FUNCTIONS + "unchanged_with_arguments"

# Internal names that have no public form, and public programs use: a public name, or "module:attribute" of Evergraph.
OURS: dict[str, dict[str, str]] = {
    "python.client.device_lib": {"list_local_devices": "compat.device_lib:list_local_devices"},
    "python.client.session": {"BaseSession": "runtime.session:BaseSession"},
    "python.client.timeline": {"Timeline": "runtime.timeline:Timeline"},
    "python.eager.context": {name: _FUNCTIONS + name for name in ("executing_eagerly", "graph_mode", "num_gpus")},
    "python.framework.ops": {
        "convert_n_to_tensor": "framework.convert:convert_n_to_tensor",
        "internal_convert_to_tensor": "convert_to_tensor",
        "name_from_scope_name": _FUNCTIONS + "name_from_scope_name",
        "strip_name_scope": _FUNCTIONS + "strip_name_scope",
    },
    "python.framework.random_seed": {"DEFAULT_GRAPH_SEED": _FUNCTIONS + "DEFAULT_GRAPH_SEED"},
    "python.framework.smart_cond": {"smart_constant_value": _FUNCTIONS + "smart_constant_value"},
    "python.framework.test_util": {
        "run_deprecated_v1": _FUNCTIONS + "unchanged",
        "run_in_graph_and_eager_modes": _DECORATOR,
        "run_v1_only": _DECORATOR,
    },
    "python.ops.control_flow_ops": {"with_dependencies": "ops.grouping:with_dependencies"},
    "python.platform.googletest": {
        "GetTempDir": "test.get_temp_dir",
        "TestCase": "test.TestCase",
        "main": "test.main",
    },
    "python.tf2": {"enabled": _FUNCTIONS + "version_2_is_enabled"},
    "python.util.all_util": {"remove_undocumented": _FUNCTIONS + "remove_undocumented"},
    "python.util.deprecation": {
        "deprecated": _DECORATOR,
        "deprecated_arg_values": _DECORATOR,
        "deprecated_args": _DECORATOR,
        "deprecated_argument_lookup": _FUNCTIONS + "deprecated_argument_lookup",
        "deprecated_endpoints": _DECORATOR,
    },
    "python.util.nest": {
        name: f"framework.nest:{name}"
        for name in (
            "assert_shallow_structure", "flatten_dict_items", "flatten_up_to", "flatten_with_joined_string_paths",
            "get_traverse_shallow_structure", "is_sequence", "map_structure_up_to", "yield_flattened_paths",
        )
    },
    "python.util.tf_export": {"estimator_export": _DECORATOR, "keras_export": _DECORATOR, "tf_export": _DECORATOR},
    "python.util.tf_inspect": {
        name: f"compat.inspection:{name}"
        for name in ("getargspec", "getfullargspec", "getcallargs", "getdoc", "getmembers", "getmodule", "getmro",
                     "getsource", "isclass", "isfunction", "isgenerator", "ismethod", "ismodule", "isroutine", "stack")
    },
}  # fmt: skip

# Internal packages and modules that are a public namespace themselves.
MIRRORS = {
    "python.estimator": "estimator",
    "python.keras": "keras",
    "python.platform.app": "app",
    "python.platform.flags": "flags",
    "python.platform.gfile": "gfile",
    "python.platform.resource_loader": "resource_loader",
    "python.platform.sysconfig": "sysconfig",
    "python.platform.test": "test",
    "python.platform.tf_logging": "logging",
}

RAW_OPS = re.compile(r"python\..*\bgen_\w+$")


@cache
def table() -> dict[str, dict[str, str]]:
    """Internal module (below `tensorflow.`) to its names and their public names."""
    text = resources.files(__package__).joinpath("internal_names.txt").read_text()
    modules: dict[str, dict[str, str]] = {module: {} for module in OURS}
    for line in text.splitlines():
        module, *entries = line.split(" ")
        modules[module] = {name: full or name for name, _, full in (entry.partition("=") for entry in entries)}
    for module in list(modules):  # packages that hold listed modules
        while "." in module:
            module = module.rpartition(".")[0]
            modules.setdefault(module, {})
    return modules


@cache
def public_names() -> frozenset[str]:
    """Public names of TensorFlow 1.15 that the table knows: functions and classes, not namespaces."""
    return frozenset(full for names in table().values() for full in names.values())


def letters(name: str) -> str:
    """The letters of a name alone: those of `conv2d_backprop_input` and `Conv2DBackpropInput` agree."""
    return name.replace("_", "").lower()
