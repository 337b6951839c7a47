"""Types and their numbers."""

import copy
import pickle

import pytest

import evergraph as tf


def test_a_type_is_found_by_its_number():
    assert tf.DType(1) is tf.float32
    assert tf.DType(101) is tf.float32._as_ref
    assert pickle.loads(pickle.dumps(tf.quint8)) is copy.deepcopy(tf.quint8) is tf.quint8
    with pytest.raises(TypeError, match="Cannot convert value 999"):
        tf.DType(999)
