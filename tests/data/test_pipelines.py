"""Datasets give what TensorFlow 1.15.5 gives: the same graphs, order of elements, and errors at the same places."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from data import pipelines

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    pipelines.write_files(str(made))
    return str(made)


def same(ours, theirs):
    """Whether two plain values agree: floats to a few units in the last place, everything else exactly."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list) and len(theirs) == 3 and isinstance(theirs[0], str) and theirs[0].startswith("float"):
        return ours[:2] == theirs[:2] and np.allclose(ours[2], theirs[2], rtol=1e-5, atol=1e-6, equal_nan=True)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


@pytest.mark.parametrize("name", list(pipelines.CASES))
def test_pipeline(name, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = json.loads(json.dumps(pipelines.run(tf, pipelines.CASES[name], folder)))
    for ours, theirs in zip(found, RECORDED[name], strict=True):
        assert ours.get("built") == theirs.get("built")
        if "ops" not in theirs:
            continue
        assert ours["ops"] == theirs["ops"]
        assert ours["types"] == theirs["types"]
        assert ours["shapes"] == theirs["shapes"]
        assert same(ours["elements"], theirs["elements"]), f"{ours['elements']}\n\n{theirs['elements']}"
