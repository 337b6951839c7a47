"""Messages against what TensorFlow 1.15.5 writes (see tools/record_formats.py)."""

import base64
import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from evergraph.formats import messages
from evergraph.formats.text import from_text, to_text

DATA = Path(__file__).parent / "data"


def recorded(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def message_class(full_name):
    """The class of a message by TensorFlow's full name; nested messages are attributes of the outer one."""
    value = messages
    for name in filter(lambda part: part[0].isupper(), full_name.split(".")):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("record", recorded("messages.jsonl"), ids=lambda record: record["type"])
def test_every_field_is_read_and_written_as_tensorflow_does(record):
    data = base64.b64decode(record["bytes"])
    cls = message_class(record["type"])
    message = cls.FromString(data)
    assert to_text(message) == record["text"]
    assert from_text(record["text"], cls) == message
    assert message.SerializeToString(deterministic=True) == data


def test_every_message_is_compared():
    compared = {record["type"] for record in recorded("messages.jsonl")}
    defined = {name for name, cls in messages._load().items() if isinstance(cls, type)}
    assert {name for name in defined if name.startswith("tensorflow.")} == compared


@pytest.mark.parametrize("record", recorded("programs.jsonl"), ids=lambda record: record["type"])
def test_messages_of_a_program_come_back_whole(record):
    data = base64.b64decode(record["bytes"])
    message = message_class(record["type"]).FromString(data)
    message.DiscardUnknownFields()
    written = message.SerializeToString()
    assert len(written) == len(data)  # the order of a map's entries is free
    assert message_class(record["type"]).FromString(written) == message


def test_graph_of_a_program():
    graph, meta_graph = (
        message_class(record["type"]).FromString(base64.b64decode(record["bytes"]))
        for record in recorded("programs.jsonl")[:2]
    )
    assert graph.versions.producer == 134
    assert [function.signature.name for function in graph.library.function] == ["halve"]
    assert graph.node[0].op == "Placeholder" and graph.node[0].attr["dtype"].type == messages.DataType.DT_FLOAT
    variable = messages.VariableDef.FromString(meta_graph.collection_def["variables"].bytes_list.value[0])
    assert variable.variable_name == "weight:0"
    assert meta_graph.meta_info_def.tensorflow_version == "1.15.5"


def test_messages_of_another_pool_live_side_by_side():
    program = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from evergraph.formats import messages
data = __import__("importlib.resources").resources.files("evergraph.formats").joinpath("messages.binpb").read_bytes()
pool = descriptor_pool.Default()
messages.GraphDef
for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
    pool.AddSerializedFile(file.SerializeToString())
theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.NodeDef"))(name="a")
ours = messages.adopt(theirs)
assert type(ours) is messages.NodeDef and type(theirs) is not messages.NodeDef and ours.name == "a"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_protobuf_is_imported_when_a_message_is_asked_for(implementation):
    program = """
import sys
from evergraph.formats import messages, tensors, text
assert "google.protobuf" not in sys.modules
messages.AttrValue.ListValue(i=[1])
assert "google.protobuf" in sys.modules
"""
    environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env=environment)


def test_adopt_keeps_our_messages_and_refuses_what_is_not_one():
    node = messages.NodeDef(name="a")
    assert messages.adopt(node) is node
    for other in "a", None, messages.DataType:
        with pytest.raises(TypeError, match="protocol messages"):
            messages.adopt(other)


def test_messages_can_be_pickled_and_copied():
    node = messages.NodeDef(name="a")
    node.attr["shape"].list.i.extend([1, 2])
    for value in node, node.attr["shape"].list:
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value


def test_names_are_listed_and_unknown_ones_refused():
    assert {"GraphDef", "DataType", "Code", "OpLogProto"} <= set(dir(messages))
    assert "Dim" not in dir(messages)
    assert messages.Code.INVALID_ARGUMENT == 3
    with pytest.raises(AttributeError, match="GraphDeff"):
        _ = messages.GraphDeff


def test_text_that_is_no_message_names_the_place():
    with pytest.raises(ValueError, match="tensorflow.NodeDef.*1:11"):
        from_text('name: "a" nome: "b"', messages.NodeDef)


def test_any_is_expanded_in_text():
    meta_graph = messages.MetaGraphDef()
    meta_graph.meta_info_def.any_info.Pack(messages.NodeDef(name="a"))
    text = to_text(meta_graph)
    assert "[type.googleapis.com/tensorflow.NodeDef]" in text
    assert from_text(text, messages.MetaGraphDef) == meta_graph


def test_compiled_messages_are_those_of_the_sources():
    pytest.importorskip("grpc_tools", reason="grpcio-tools compiles the messages")
    tool = Path(__file__).parents[2] / "tools" / "compile_protos.py"
    subprocess.run([sys.executable, tool, "--check"], check=True)
