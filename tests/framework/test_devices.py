"""Device names."""

import pytest

import evergraph as tf


@pytest.mark.parametrize("spec", ["/job:a/device:GPU:2/cpu:0", "/gpu:0/cpu:0", "/device:CPU:0/device:CPU:0"])
def test_a_name_has_one_device(spec):
    with pytest.raises(ValueError, match="Cannot specify multiple device types"):
        tf.DeviceSpec.from_string(spec)


def test_the_parts_of_a_name():
    assert (
        tf.DeviceSpec.from_string("/job:a/replica:0/task:1/gpu:2").to_string() == "/job:a/replica:0/task:1/device:GPU:2"
    )
    assert tf.DeviceSpec.from_string("/cpu").to_string() == "/device:CPU:*"
