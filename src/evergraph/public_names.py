"""Public names of things that are declared below the layer where public names are given."""

from __future__ import annotations

from typing import Any

from evergraph.framework import convert, devices, dtypes, errors, operation, shapes, stacks, tensor
from evergraph.framework.api import public, publish
from evergraph.framework.graph import Graph
from evergraph.ops.opdef import raw_op

publish("Tensor", tensor.Tensor)
publish("Operation", operation.Operation)
publish("DType", dtypes.DType)
publish("dtypes.DType", dtypes.DType)
publish("as_dtype", dtypes.as_dtype)
publish("dtypes.as_dtype", dtypes.as_dtype)
publish("convert_to_tensor", convert.convert_to_tensor)
publish("register_tensor_conversion_function", convert.register_tensor_conversion_function)
publish("DeviceSpec", devices.DeviceSpec)
publish("OpError", errors.OpError)
publish("dimension_value", shapes.dimension_value)
publish("dimension_at_index", shapes.dimension_at_index)
publish("QUANTIZED_DTYPES", dtypes.QUANTIZED_DTYPES)
for _kind in dtypes.ALL:
    publish(f"dtypes.{_kind.name}", _kind)
publish("dtypes.half", dtypes.half)
publish("dtypes.double", dtypes.double)
publish("dtypes.QUANTIZED_DTYPES", dtypes.QUANTIZED_DTYPES)
publish("VERSION", "1.15.5")
publish("GIT_VERSION", "evergraph")
publish("COMPILER_VERSION", "xla")
publish("version.VERSION", "1.15.5")
publish("version.GIT_VERSION", "evergraph")
publish("version.COMPILER_VERSION", "xla")
publish("CXX11_ABI_FLAG", 1)
publish("MONOLITHIC_BUILD", 0)
for _name, _number in {"": 134, "_MIN_CONSUMER": 0, "_MIN_PRODUCER": 0}.items():
    publish(f"GRAPH_DEF_VERSION{_name}", _number)
    publish(f"version.GRAPH_DEF_VERSION{_name}", _number)
publish("compat.as_bytes", convert.as_bytes)
publish("compat.as_text", convert.as_text)
publish("compat.as_str", convert.as_text)

for _name, _thing in vars(errors).items():
    if isinstance(_thing, type) and issubclass(_thing, errors.OpError) or _name.isupper():
        publish(f"errors.{_name}", _thing)
for _name in ("error_code_from_exception_type", "exception_type_from_error_code", "raise_exception_on_not_ok_status"):
    publish(f"errors.{_name}", getattr(errors, _name))


@public("executing_eagerly", "executing_eagerly_outside_functions")
def executing_eagerly() -> bool:
    """False: everything is built into graphs."""
    return False


@public("is_tensor", "contrib.framework.is_tensor")
def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor, a variable, or a sparse tensor."""
    return convert.is_tensor_like(x)


__all__ = ["Graph", "raw_op", "stacks"]
