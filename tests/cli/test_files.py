"""`evergraph inspect`, `diff`, `convert` and `freeze`: what they print, write and return, and how they fail."""

import io
import json
import random
import subprocess
import sys
import zipfile

import click.testing
import h5py
import numpy as np
import onnx
import onnx.reference
import pytest

import evergraph as tf
from evergraph.cli import printing
from evergraph.cli.main import commands
from evergraph.formats.safetensors import SafetensorsReader

X = np.array([[1, 2, 3, 4], [4, 3, 2, 1]], np.float32)


def run(*arguments):
    """(exit code, standard output, standard error) of a command."""
    done = click.testing.CliRunner().invoke(commands, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def told(*arguments):
    """What a command says with --json."""
    code, out, err = run(*arguments, "--json")
    assert code in (0, 1), err
    return json.loads(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two checkpoints of a model with Adam's slots, its SavedModel, graph, events and records."""
    folder = tmp_path_factory.mktemp("files")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        y = tf.layers.dense(x, 3, activation=tf.nn.relu, name="d", kernel_initializer=tf.ones_initializer())
        p = tf.nn.softmax(y, name="p")
        train = tf.train.AdamOptimizer().minimize(-tf.reduce_mean(p[:, 0]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(session, str(folder / "model.ckpt"), global_step=1)
        session.run(train, {x: X})
        saver.save(session, str(folder / "model.ckpt"), global_step=2)
        tf.saved_model.simple_save(session, str(folder / "saved"), {"images": x}, {"classes": p})
        tf.train.write_graph(session.graph_def, str(folder), "graph.pb", as_text=False)
        np.save(folder / "want.npy", session.run(p, {x: X}))
        writer = tf.summary.FileWriter(str(folder / "logs"), session.graph)
        for step in (3, 5):
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=step / 2)]), step)
        writer.close()
    for name, options in (("plain.tfrecord", None), ("packed", "GZIP"), ("squeezed.tfrecord", "ZLIB")):
        with tf.io.TFRecordWriter(str(folder / name), options) as records:
            for i in range(3):
                ids = tf.train.Feature(int64_list=tf.train.Int64List(value=range(i + 1)))
                text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"t"]))
                example = tf.train.Example(features=tf.train.Features(feature={"ids": ids, "text": text}))
                records.write(example.SerializeToString())
    return folder


# inspect


def test_a_checkpoint_by_its_name_its_files_and_its_directory(folder):
    by_name = told("inspect", folder / "model.ckpt-2")
    assert by_name["format"] == "V2"
    assert {"name": "d/kernel", "dtype": "float32", "shape": [4, 3], "bytes": 48} in by_name["tensors"]
    assert by_name["total"] == {"tensors": 8, "elements": 47, "bytes": 188}
    for path in (folder, folder / "model.ckpt-2.index", folder / "model.ckpt-2.data-00000-of-00001"):
        assert told("inspect", path) == by_name
    code, out, _ = run("inspect", folder)
    assert code == 0
    assert "d/kernel         float32  [4, 3]  48 B" in out
    assert out.splitlines()[-1] == "8 tensors, 47 elements, 188 B"


def test_graphs(folder):
    found = told("inspect", folder / "graph.pb")
    assert found["inputs"] == [{"name": "x", "dtype": "float32", "shape": [None, 4]}]
    assert found["ops"]["ApplyAdam"] == 2 and found["nodes"] == sum(found["ops"].values())
    meta = told("inspect", folder / "model.ckpt-2.meta")
    assert meta["collections"]["trainable_variables"] == 2
    assert meta["graph"]["inputs"] == found["inputs"]
    code, out, _ = run("inspect", folder / "graph.pb")
    assert code == 0 and "x     float32  [?, 4]" in out


def test_saved_models(folder):
    found = told("inspect", folder / "saved")
    (graph,) = found["meta_graphs"]
    assert graph["tags"] == ["serve"]
    signature = graph["signatures"]["serving_default"]
    assert signature["inputs"] == {"images": {"tensor": "x:0", "dtype": "float32", "shape": [None, 4]}}
    assert signature["outputs"]["classes"]["tensor"] == "p:0"
    assert found["variables"]["total"]["tensors"] == 8
    code, out, _ = run("inspect", folder / "saved")
    assert code == 0 and "out  classes  p:0     float32  [?, 3]" in out


def test_events(folder):
    found = told("inspect", folder / "logs")
    assert found["events"] == 5 and found["steps"] == [3, 5]
    assert found["tags"] == {"loss": {"kind": "scalar", "count": 2, "first_step": 3, "last_step": 5, "last": 2.5}}
    (path,) = (folder / "logs").iterdir()
    assert told("inspect", path)["tags"] == found["tags"]
    assert "loss  scalar      2           3          5         2.5" in run("inspect", path)[1]


@pytest.mark.parametrize(
    ("name", "compression"), [("plain.tfrecord", ""), ("packed", "GZIP"), ("squeezed.tfrecord", "ZLIB")]
)
def test_records(folder, name, compression):
    found = told("inspect", folder / name)
    assert (found["records"], found["compression"]) == (3, compression)
    assert found["features"] == {
        "ids": {"kind": "int64", "in_records": 3, "lengths": [1, 3]},
        "text": {"kind": "bytes", "in_records": 3, "lengths": [1, 1]},
    }
    assert "ids      int64  1 to 3           3" in run("inspect", folder / name)[1]


def test_records_that_are_no_examples(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "r.tfrecord")) as writer:
        writer.write(b"\xff\xff nothing of that kind")
    assert told("inspect", tmp_path / "r.tfrecord")["features"] is None
    assert "They are no Examples." in run("inspect", tmp_path / "r.tfrecord")[1]


# diff


def test_the_same(folder):
    code, out, _ = run("diff", folder / "model.ckpt-2", folder)
    assert (code, out) == (0, "The same: 8 tensors\n")


def test_checkpoints_that_differ(folder):
    code, out, _ = run("diff", folder / "model.ckpt-1", folder / "model.ckpt-2")
    assert code == 1 and "Different: " in out
    found = told("diff", folder / "model.ckpt-1", folder / "model.ckpt-2")
    first = found["different"][0]
    assert first["name"] == "beta1_power" and first["largest"] == pytest.approx(0.09) and first["at"] == []
    assert run("diff", folder / "model.ckpt-1", folder / "model.ckpt-2", "--tolerance", "1")[0] == 0


def test_names_types_shapes_and_places_of_the_largest_difference(tmp_path):
    a = {
        "gone": np.zeros(1),
        "f": np.zeros([2, 3]),
        "t": np.zeros(2),
        "s": np.zeros(2),
        "i": np.arange(3),
        "nan": [np.nan],
    }
    b = {
        "new": np.zeros(1),
        "f": np.zeros([2, 3]),
        "t": np.zeros(2, "f"),
        "s": np.zeros(3),
        "i": np.arange(3),
        "nan": [np.nan],
    }
    b["f"][1, 2] = -0.5
    b["i"][1] = 4
    np.savez(tmp_path / "a.npz", **a)
    np.savez(tmp_path / "b.npz", **b)
    found = told("diff", tmp_path / "a.npz", tmp_path / "b.npz")
    assert (found["missing"], found["extra"], found["same"]) == (["gone"], ["new"], False)
    by_name = {d.pop("name"): d for d in found["different"]}
    assert by_name == {
        "f": {"elements": 1, "of": 6, "largest": 0.5, "at": [1, 2]},
        "i": {"elements": 1, "of": 3, "largest": 3.0, "at": [1]},
        "t": {"type": ["float64", "float32"]},
        "s": {"shape": [[2], [3]]},
    }
    code, out, _ = run("diff", tmp_path / "a.npz", tmp_path / "b.npz")
    assert code == 1 and "shape [2] -> [3]" in out and "type float64 -> float32" in out and "[1, 2]" in out


def test_infinite_differences_are_valid_json(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([1.0, 2.0]))
    np.savez(tmp_path / "b.npz", x=np.array([1.0, np.nan]))
    (found,) = told("diff", tmp_path / "a.npz", tmp_path / "b.npz")["different"]
    assert found == {"name": "x", "elements": 1, "of": 2, "largest": "inf", "at": [1]}
    assert "inf" in run("diff", tmp_path / "a.npz", tmp_path / "b.npz")[1]


def test_graphs_that_differ(folder, tmp_path):
    for name, value, kind in (("a", 1.0, tf.add), ("b", 2.0, tf.subtract)):
        with tf.Graph().as_default() as graph:
            kind(tf.constant(value, name="c"), 1.0, name="sum")
            tf.no_op(name=f"only_{name}")
            tf.train.write_graph(graph, str(tmp_path), f"{name}.pb", as_text=False)
    found = told("diff", tmp_path / "a.pb", tmp_path / "b.pb")
    assert (found["missing"], found["extra"]) == (["only_a"], ["only_b"])
    assert {"name": "c", "value": ["1.0", "2.0"]} in found["different"]
    assert any(d.get("op") == ["Add", "Sub"] for d in found["different"])
    code, out, _ = run("diff", tmp_path / "a.pb", tmp_path / "b.pb")
    assert code == 1 and "op: Add -> Sub" in out
    assert run("diff", tmp_path / "a.pb", folder / "model.ckpt-1")[0] == 2


def test_weights_in_an_archive_of_keras(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.arange(6.0).reshape(2, 3)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    (tensor,) = told("inspect", tmp_path / "m.keras")["tensors"]
    assert tensor == {"name": "layers/dense/vars/0", "dtype": "float64", "shape": [2, 3], "bytes": 48}
    assert run("convert", tmp_path / "m.keras", tmp_path / "w.npz")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "w.npz")["layers/dense/vars/0"], [[0, 1, 2], [3, 4, 5]])
    with zipfile.ZipFile(tmp_path / "damaged.keras", "w") as archive:
        archive.writestr("model.weights.h5", "text")
    code, _, err = run("inspect", tmp_path / "damaged.keras")
    assert code == 2 and f"{tmp_path / 'damaged.keras'}: damaged HDF5 file" in err
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    code, _, err = run("inspect", tmp_path / "other.zip")
    assert code == 2 and "an archive without arrays: it holds config.json" in err


def test_scalars_of_tensorflow_2_have_a_last_value(tmp_path):
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        for step in range(2):
            summary = tf.Summary()
            value = summary.value.add(tag="loss")
            value.tensor.CopyFrom(tf.make_tensor_proto(np.float32(step + 0.5)))
            if not step:
                value.metadata.plugin_data.plugin_name = "scalars"
            writer.add_summary(summary, step)
    found = told("inspect", tmp_path)["tags"]["loss"]
    assert (found["kind"], found["plugin"], found["last"]) == ("tensor", "scalars", 1.5)


def test_damaged_compressed_archive_is_named(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", a=np.arange(3000.0))
    data = bytearray((tmp_path / "w.npz").read_bytes())
    for at in range(40, 400, 3):
        data[at] ^= 0xFF
    (tmp_path / "w.npz").write_bytes(data)
    code, _, err = run("inspect", tmp_path / "w.npz")
    assert code == 2 and "w.npz: damaged npz file" in err


# convert


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w.h5", "w.ckpt"])
def test_weights_go_there_and_back(folder, tmp_path, name):
    code, out, err = run("convert", folder / "model.ckpt-2", tmp_path / name)
    assert code == 0, err
    assert "8 tensors" in out
    assert run("diff", folder / "model.ckpt-2", tmp_path / name)[:2] == (0, "The same: 8 tensors\n")
    assert run("convert", tmp_path / name, tmp_path / "back", "--to", "v1")[0] == 0
    assert told("inspect", tmp_path / "back")["format"] == "V1"
    assert run("diff", tmp_path / "back", folder / "model.ckpt-2")[0] == 0
    assert run("convert", tmp_path / "back", tmp_path / "again")[0] == 0
    assert told("inspect", tmp_path / "again") == {
        **told("inspect", folder / "model.ckpt-2"),
        "path": str(tmp_path / "again"),
    }


def test_what_other_programs_read_of_it(folder, tmp_path):
    reader = tf.train.NewCheckpointReader(str(folder / "model.ckpt-2"))
    kernel = reader.get_tensor("d/kernel")
    for name in ("w.npz", "w.h5", "w.safetensors"):
        run("convert", folder / "model.ckpt-2", tmp_path / name)
    np.testing.assert_array_equal(np.load(tmp_path / "w.npz")["d/kernel"], kernel)
    with h5py.File(tmp_path / "w.h5") as file:
        np.testing.assert_array_equal(file["d/kernel:0"], kernel)
    np.testing.assert_array_equal(SafetensorsReader(str(tmp_path / "w.safetensors")).read("d/kernel"), kernel)


def test_what_a_format_cannot_hold_is_named_and_nothing_is_written(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([b"text"]), b=np.ones(2, np.complex64), c=np.ones(2))
    code, _, err = run("convert", tmp_path / "w.npz", tmp_path / "w.safetensors")
    assert code == 2 and "'a'" in err and "'b' (complex64)" in err and "'c'" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]


def test_graphs_as_text_and_back(folder, tmp_path):
    assert run("convert", folder / "graph.pb", tmp_path / "g.pbtxt")[0] == 0
    assert (tmp_path / "g.pbtxt").read_text().startswith("node {")
    assert run("convert", tmp_path / "g.pbtxt", tmp_path / "g.pb")[0] == 0
    assert run("diff", folder / "graph.pb", tmp_path / "g.pb")[0] == 0


def test_models_as_onnx(folder, tmp_path):
    code, _, err = run("convert", folder / "saved", tmp_path / "m.onnx")
    assert code == 0, err
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    (got,) = onnx.reference.ReferenceEvaluator(model).run(["classes"], {"images": X})
    np.testing.assert_allclose(got, np.load(folder / "want.npy"), rtol=1e-5)
    assert run("convert", folder / "model.ckpt-2", tmp_path / "n.onnx", "--outputs", "p")[0] == 0


def test_models_as_stablehlo(folder, tmp_path):
    assert run("convert", folder / "saved", tmp_path / "m.mlir")[0] == 0
    assert "stablehlo.dot_general" in (tmp_path / "m.mlir").read_text()
    assert told("inspect", tmp_path / "m.mlir.pb")["inputs"][0]["name"] == "x"
    assert run("convert", folder / "saved", tmp_path / "m.stablehlo", "--shape", "images=2,4")[0] == 0
    assert b"StableHLO" in (tmp_path / "m.stablehlo").read_bytes()[:64]
    code, _, err = run("convert", folder / "saved", tmp_path / "n.mlir", "--shape", "images=2,5")
    assert code == 2 and "'images' cannot be of shape [2, 5]" in err


# freeze


def test_freeze_a_checkpoint_and_a_saved_model(folder, tmp_path):
    assert run("freeze", folder / "model.ckpt-2", tmp_path / "a.pb", "--outputs", "p")[0] == 0
    assert run("freeze", folder / "saved", tmp_path / "b.pbtxt")[0] == 0
    assert run("diff", tmp_path / "a.pb", tmp_path / "b.pbtxt")[0] == 0
    with tf.Graph().as_default(), tf.Session() as session:
        graph_def = tf.GraphDef.FromString((tmp_path / "a.pb").read_bytes())
        (p,) = tf.import_graph_def(graph_def, return_elements=["p:0"], name="")
        np.testing.assert_allclose(session.run(p, {"x:0": X}), np.load(folder / "want.npy"), rtol=1e-6)
    assert not any(node.op.startswith("Variable") for node in graph_def.node)


# what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "{folder}/model.ckpt-3"], "there is no file, directory or checkpoint"),
        (["inspect", "{empty}"], "it is empty"),
        (["inspect", "{folder}/want.npy"], "cannot tell what"),
        (["convert", "{folder}/graph.pb", "{empty}/w.npz"], "which cannot become"),
        (["convert", "{folder}/graph.pb", "{empty}/m.onnx", "--outputs", "nothing"], "nothing"),
        (["convert", "{folder}/saved", "{empty}/m.onnx", "--signature", "other"], "there are: serving_default"),
        (["convert", "{folder}/saved", "{empty}/m.mlir", "--shape", "x"], "NAME=1,224,224,3"),
        (["convert", "{folder}/model.ckpt-2", "{empty}/no/w.npz"], "No such file or directory"),
        (["freeze", "{folder}/model.ckpt-2", "{empty}/f.pb"], "--outputs"),
        (["freeze", "{folder}/graph.pb", "{empty}/f.pb"], "can be frozen"),
        (["freeze", "{folder}/model.ckpt-2", "{empty}/f.pb", "--outputs", "p", "--meta", "{folder}/no"], "there is no"),
        (["diff", "{folder}/logs", "{folder}/logs"], "can be compared"),
    ],
)
def test_errors_say_what_is_wrong(folder, tmp_path, arguments, message):
    code, _, err = run(*[a.format(folder=folder, empty=tmp_path) for a in arguments])
    assert code == 2
    assert message in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_damaged_files_never_give_a_traceback(folder, tmp_path):
    """Cut short, and with bytes changed: exit code 0 or 2, and an error that names the file."""
    draw = random.Random(5)
    for name in ("w.npz", "w.safetensors", "w.h5", "v1"):
        run("convert", folder / "model.ckpt-2", tmp_path / name, *(["--to", "v1"] if name == "v1" else []))
    sources = [*tmp_path.iterdir(), folder / "graph.pb", folder / "model.ckpt-2.meta", folder / "plain.tfrecord"]
    sources += [folder / "packed", *(folder / "logs").iterdir()]
    wrong = 0
    for source in sources:
        data = source.read_bytes()
        for _ in range(6):
            damaged = bytearray(data[: draw.randrange(len(data))] if draw.random() < 0.4 else data)
            for _ in range(draw.randrange(8)):
                if damaged:
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            path = tmp_path / f"damaged_{source.name}"
            path.write_bytes(damaged)
            code, _, err = run("inspect", path)
            assert code in (0, 2)
            wrong += code == 2
            if code == 2:
                assert err.startswith("Error: ") and path.name in err
    assert wrong > len(sources)


def test_a_bar_is_for_terminals_only(folder, tmp_path, monkeypatch):
    assert run("convert", folder / "model.ckpt-2", tmp_path / "w.npz")[2] == ""
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    seen = list(printing.progress(range(3), "counting"))
    assert seen == [0, 1, 2]
    bar = printing.progress(range(3), "counting")
    assert type(bar).__name__ == "tqdm" and bar.total == 3


def test_version_and_a_light_start():
    code, out, _ = run("--version")
    assert code == 0 and out.split()[1][0].isdigit()
    program = (
        "import sys, evergraph.cli.main; "
        "heavy = {'jax', 'google.protobuf', 'tqdm', 'h5py', 'onnx'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
