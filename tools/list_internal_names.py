"""Write src/evergraph/compat/internal_names.txt: where TensorFlow 1.15's internal names are in its public API.

    python3.7 tools/list_internal_names.py        # with the Python that has TensorFlow 1.15

Programs also import from `tensorflow.python...`. Each line of the file is an internal module and the public names that
can be reached through it: `name`, where the public name is `tf.name`, or `name=public.name`. Modules without any are
listed alone, so that the import of one that exists can be told from a mistake.
"""

import importlib
import os
import pkgutil
import re

import tensorflow as tf
from tensorflow.python.util import tf_decorator

OUT = os.path.join(os.path.dirname(__file__), "..", "src", "evergraph", "compat", "internal_names.txt")

# What public programs import from. `keras` has the same tree inside as outside, `gen_*` modules hold raw ops.
PACKAGES = (
    "autograph client data debug eager feature_column framework layers lib module ops platform profiler saved_model "
    "summary tools training util"
).split()
ALSO = "framework.test_util ops.gradient_checker platform.test platform.googletest pywrap_tensorflow".split()
SKIPPED = re.compile(
    r"_pb2|test|\bgen_|\bbenchmark|autograph\.(converters|pyct|operators|utils)|\blib\.core"
    r"|debug\.(cli|wrappers|examples)"
)


def modules():
    """Internal modules, imported."""
    for name in ALSO:
        yield importlib.import_module("tensorflow.python." + name)
    for package in PACKAGES:
        root = importlib.import_module("tensorflow.python." + package)
        yield root
        for found in pkgutil.walk_packages(root.__path__, root.__name__ + ".", onerror=lambda name: None):
            if SKIPPED.search(found.name):
                continue
            try:
                yield importlib.import_module(found.name)
            except Exception as error:  # some need packages that are not installed
                print("left out:", found.name, error)


def public_names(thing):
    """All names that `thing` has in the public API of version 1, then those of version 2."""
    try:
        own = vars(tf_decorator.unwrap(thing)[1])
    except Exception:
        own = getattr(thing, "__dict__", {})
    names = list(own.get("_tf_api_names_v1", ())) + list(own.get("_tf_api_names", ()))
    return [name for name in names if not name.startswith("raw_ops.") and exists(name)]


def exists(name):
    thing = tf
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing is not None


def best(name, candidates):
    """The public name that says the same with the fewest words."""
    if name in candidates:
        return name
    return min(
        candidates, key=lambda full: (full.split(".")[-1] != name, "experimental" in full, full.count("."), len(full))
    )


def lines():
    for module in modules():
        found = {}
        for names, value in getattr(module, "_tf_api_constants_v1", ()):
            found[value] = best(value, names)
        for name, thing in vars(module).items():
            if not name.startswith("__") and type(thing).__name__ != "module":
                candidates = public_names(thing)
                if candidates:
                    found[name] = best(name, candidates)
        entries = [name if name == full else name + "=" + full for name, full in sorted(found.items())]
        yield " ".join([re.sub(r"^tensorflow(_core)?\.", "", module.__name__)] + entries)


if __name__ == "__main__":
    with open(OUT, "w") as file:
        for line in sorted(set(lines())):
            print(line, file=file)
