"""Graphs of older versions of TensorFlow, imported. The expected shapes are those that TensorFlow 1.15.5 gives."""

import numpy as np
import pytest
from google.protobuf import text_format

import evergraph as tf

NODE = 'node {{ name: "p" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} {} }}'
SCALAR = 'attr { key: "shape" value { shape { } } }'
VECTOR = 'attr { key: "shape" value { shape { dim { size: 3 } } } }'


@pytest.mark.parametrize(
    ("shape", "version", "expected"),
    [
        (SCALAR, None, None),
        (SCALAR, 21, None),
        (SCALAR, 22, []),
        (SCALAR, 134, []),
        (VECTOR, 21, [3]),
        ("", 22, None),
    ],
)
def test_placeholders(shape, version, expected):
    graph_def = tf.GraphDef()
    text = NODE.format(shape) + (f" versions {{ producer: {version} }}" if version else "")
    text_format.Parse(text, graph_def)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        (p,) = tf.import_graph_def(graph_def, return_elements=["p:0"])
        assert p.shape.dims == (None if expected is None else tf.TensorShape(expected).dims)
        assert graph.graph_def_versions.producer == (version or 0)
        if expected != []:
            assert session.run(p * 2.0, {p: np.ones(3)}).tolist() == [2.0] * 3
