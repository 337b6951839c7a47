"""SavedModels of objects with tables and files, and SavedModels of graphs as objects: TensorFlow's, and our own."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats import messages
from evergraph.training.saved_model.pruned_functions import UnliftableError
from evergraph.training.tracking.capturable import TrackableResource

pytestmark = pytest.mark.usefixtures("graph")

RECORDINGS = Path(__file__).with_name("recordings")
WORDS = ["two", "a", "?"]


def initialize(sess):
    sess.run([tf.global_variables_initializer(), tf.tables_initializer()])


def recorded(name):
    return str(RECORDINGS / name), json.loads((RECORDINGS / f"{name}.json").read_text())


def lists(value):
    if isinstance(value, dict):
        return {key: lists(item) for key, item in value.items()}
    return value.tolist()


# Written by TensorFlow


@pytest.mark.parametrize("name", ["tables_of_tf1", "tables_of_tf2"])
def test_tables_of_tensorflow_are_filled(sess, name):
    path, expected = recorded(name)
    model = tf.saved_model.load_v2(path)
    found, signed = model.look_up(tf.constant(WORDS)), model.signatures["serving_default"](words=tf.constant(WORDS))
    initialize(sess)
    assert lists(sess.run(found)) == lists(sess.run(signed)) == expected


def test_asset_of_tensorflow_is_in_the_loaded_directory(sess, tmp_path):
    shutil.copytree(RECORDINGS / "tables_of_tf1", tmp_path / "moved")
    model = tf.saved_model.load_v2(str(tmp_path / "moved"))
    assert sess.run(model.asset.asset_path).decode() == str(tmp_path / "moved" / "assets" / "notes.txt")
    assert sess.run(model.note()) == b"a note\n"


def test_tables_of_one_shared_name_in_two_models_are_two(sess, tmp_path):
    shutil.copytree(RECORDINGS / "tables_of_tf1", tmp_path / "changed")
    (tmp_path / "changed" / "assets" / "words.txt").write_text("two\n")
    paths = recorded("tables_of_tf1")[0], str(tmp_path / "changed")
    both = [tf.saved_model.load_v2(path).look_up(tf.constant(WORDS))["table"] for path in paths]
    initialize(sess)
    assert [value.tolist() for value in sess.run(both)] == [[101, 99, 99], [100, 99, 99]]


def test_graph_of_tensorflow_is_an_object(sess):
    path, expected = recorded("graph_of_tf1")
    loaded = tf.saved_model.load_v2(path)
    signatures, given = loaded.signatures, tf.constant([1.0, 2.0])
    found = {
        "serving_default": signatures["serving_default"](given),
        "look_up": signatures["look_up"](words=tf.constant(WORDS)),
        "pruned": {"loop": loaded.prune("x:0", "loop/Exit_1:0")(given)},
    }
    sparse, grow = signatures["sparse"](given), signatures["grow"]()
    y = loaded.prune(["x:0"], loaded.graph.get_tensor_by_name("y:0"))(given)
    (gradient,) = tf.gradients(y, loaded.variables[0])
    initialize(sess)
    results = lists(sess.run(found))
    results["sparse"] = [part.tolist() for part in sess.run(sparse)["sparse"]]
    results["gradient"] = sess.run(gradient).tolist()
    results["grown"] = [float(sess.run(grow)["w"]) for _ in range(2)]
    results["after"] = sess.run(found["serving_default"])["y"].tolist()
    results["variables"] = [v.op.name for v in loaded.variables]
    results["ops"] = [[op.name, op.type] for op in sess.graph.get_operations()][:8]
    assert results == expected
    assert loaded.tensorflow_version == "1.15.5"
    assert tf.global_variables() == loaded.variables[:1] and tf.local_variables() == loaded.variables[1:]


def test_variables_of_a_loaded_graph_can_be_trained(sess):
    loaded = tf.saved_model.load_v2(recorded("graph_of_tf1")[0])
    y = loaded.prune("x:0", "y:0")(tf.constant([1.0]))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(y, var_list=loaded.variables[:1])
    initialize(sess)
    sess.run(step)
    assert sess.run([y, loaded.variables[0]]) == [[3.5], 2.5]


# Written here


class Tables(tf.Module):
    def __init__(self, folder):
        super().__init__()
        (folder / "words.txt").write_text("one\ntwo\n")
        (folder / "sub").mkdir()
        (folder / "sub" / "words.txt").write_text("two\n")
        whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self.tables = [
            tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(str(folder / name), tf.string, whole, tf.int64, number), -1
            )
            for name in ("words.txt", "sub/words.txt")
        ]
        pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64))
        self.numbered = tf.lookup.StaticVocabularyTable(pairs, 2)
        self.plain = tf.contrib.lookup.HashTable(pairs, -1)
        self.asset = tf.saved_model.Asset(str(folder / "words.txt"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "words")])
    def look_up(self, words):
        found = [table.lookup(words) for table in self.tables]
        return {"0": found[0], "1": found[1], "n": self.numbered.lookup(words), "p": self.plain.lookup(words)}

    @tf.function(input_signature=[])
    def text(self):
        return tf.read_file(self.asset.asset_path)


EXPECTED = {"0": [1, -1, -1], "1": [0, -1, -1], "n": [3, 0, 3], "p": [-1, 0, -1]}


def saved(tmp_path):
    (tmp_path / "files").mkdir()
    with tf.Graph().as_default(), tf.Session() as sess:
        model = Tables(tmp_path / "files")
        fills = list(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        tf.saved_model.save(model, str(tmp_path / "m"), signatures=model.look_up)
        assert tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS) == fills
        sess.run(tf.tables_initializer())
        assert lists(sess.run(model.look_up(tf.constant(WORDS)))) == EXPECTED
    shutil.rmtree(tmp_path / "files")
    shutil.move(tmp_path / "m", tmp_path / "moved")
    return str(tmp_path / "moved")


def check(path):
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], path)
        found = meta.signature_def["serving_default"]
        names = {key: info.name for key, info in found.outputs.items()}
        assert lists(sess.run(names, {found.inputs["words"].name: WORDS})) == EXPECTED
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(path)
        found = model.look_up(tf.constant(WORDS))
        initialize(sess)
        assert lists(sess.run(found)) == EXPECTED
        assert sess.run(model.text()) == b"one\ntwo\n"
        assert sess.run(model.asset.asset_path).decode() == path + "/assets/words.txt"


def test_saved_tables_come_back_wherever_the_model_is(tmp_path):
    path = saved(tmp_path)
    assert sorted(file.name for file in Path(path, "assets").iterdir()) == ["words.txt", "words.txt_1"]
    check(path)


def test_what_was_loaded_is_saved_again(tmp_path):
    path = saved(tmp_path)
    for number in range(2):
        with tf.Graph().as_default():
            model = tf.saved_model.load_v2(path)
            path = str(tmp_path / f"again_{number}")
            tf.saved_model.save(model, path, signatures=model.look_up)
        check(path)


def test_message_has_what_tensorflow_writes(tmp_path):
    path = saved(tmp_path)
    found = messages.SavedModel.FromString(Path(path, "saved_model.pb").read_bytes()).meta_graphs[0]
    assert [asset.filename for asset in found.asset_file_def] == ["words.txt", "words.txt", "words.txt_1"]
    assert found.asset_file_def[0].tensor_info.name == "asset_path_initializer:0"
    assert found.collection_def["saved_model_main_op"].node_list.value == ["NoOp"]
    assert found.meta_info_def.stripped_default_attrs
    nodes = found.object_graph_def.nodes
    kinds = [node.WhichOneof("kind") for node in nodes]
    assert kinds.count("resource") == 4 and kinds.count("asset") == 3
    found_names = [[child.local_name for child in n.children] for n in nodes if n.WhichOneof("kind") == "resource"]
    functions = ["_create_resource", "_initialize", "_destroy_resource"]
    assert sorted(found_names) == [functions, *[["_initializer", *functions]] * 3]


def test_resource_of_a_program_is_made_and_filled(sess, tmp_path):
    class Pairs(TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64, shared_name="pairs")

        def _initialize(self):
            keys = tf.constant([1, 2], tf.int64)
            return tf.raw_ops.LookupTableImportV2(table_handle=self.resource_handle, keys=keys, values=keys * 10)

    model = tf.train.Checkpoint()
    model.pairs = Pairs()

    def look_up(keys):
        default = tf.constant(-1, tf.int64)
        return tf.raw_ops.LookupTableFindV2(table_handle=model.pairs.resource_handle, keys=keys, default_value=default)

    model.look_up = tf.function(look_up, input_signature=[tf.TensorSpec([None], tf.int64)])
    tf.saved_model.save(model, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as other:
        found = tf.saved_model.load_v2(str(tmp_path / "m")).look_up([2, 3])
        other.run(tf.tables_initializer())
        assert other.run(found).tolist() == [20, -1]


def test_concrete_function_is_called_by_keyword(sess, tmp_path):
    model = tf.train.Checkpoint()
    function = tf.function(lambda x, y: x - y)
    model.f = function.get_concrete_function(tf.TensorSpec([], tf.float32, "a"), tf.TensorSpec([], tf.float32, "b"))
    tf.saved_model.save(model, str(tmp_path / "m"), signatures={"minus": model.f})
    loaded = tf.saved_model.load_v2(str(tmp_path / "m"))
    found = [loaded.f(b=1.0, a=3.0), loaded.f(3.0, 1.0), loaded.signatures["minus"](a=3.0, b=1.0)["output_0"]]
    assert sess.run(found) == [2.0] * 3


def test_function_that_only_others_call_is_saved(sess, tmp_path):
    v = tf.get_variable("v", initializer=2.0, use_resource=True)
    model = tf.train.Checkpoint(v=v)
    model.inner = tf.function(lambda x, twice=False: x * v * (2.0 if twice else 1.0))
    model.outer = tf.function(lambda x: model.inner(x, True), input_signature=[tf.TensorSpec([], tf.float32)])
    sess.run(v.initializer)
    tf.saved_model.save(model, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as other:
        loaded = tf.saved_model.load_v2(str(tmp_path / "m"))
        found = [loaded.inner(tf.constant(3.0), True), loaded.outer(3.0)]
        loaded.more = tf.function(lambda x: loaded.outer(x) + 1.0, input_signature=[tf.TensorSpec([], tf.float32)])
        initialize(other)
        assert other.run(found) == [12.0, 12.0]
        with pytest.raises(ValueError, match="Could not find matching function"):
            loaded.inner(tf.constant(3.0))
        tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.more)
    with tf.Graph().as_default(), tf.Session() as third:
        found = tf.saved_model.load_v2(str(tmp_path / "again")).more(3.0)
        initialize(third)
        assert third.run(found) == 13.0


def refused(tmp_path, model, kind, text):
    with pytest.raises(kind, match=text):
        tf.saved_model.save(model, str(tmp_path / "m"))
    assert not (tmp_path / "m").exists()


def test_tables_whose_entries_come_and_go_are_refused(sess, tmp_path):
    model = tf.train.Checkpoint(words=tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1, name="kept"))
    refused(tmp_path, model, ValueError, r": \(root\)\.words \(a MutableHashTable\)\. .*tf\.train\.Checkpoint")
    loaded = tf.saved_model.load_v2(recorded("tables_of_tf2")[0])
    refused(tmp_path, loaded, ValueError, r"\(root\)\.table \(a RestoredResource\), \(root\)\.dense")


def test_files_that_are_not_there_are_refused(tmp_path):
    model = tf.train.Checkpoint(notes=tf.saved_model.Asset(str(tmp_path / "none.txt")))
    refused(tmp_path, model, tf.errors.NotFoundError, r"none\.txt; .*the asset at \(root\)\.notes")
    model = tf.train.Checkpoint(notes=tf.saved_model.Asset(tf.placeholder(tf.string, [], name="given")))
    refused(tmp_path, model, ValueError, r"the asset at \(root\)\.notes, .*given.* is no constant")


def test_reference_variable_inside_of_a_loaded_graph_is_refused(sess, tmp_path):
    loaded = tf.saved_model.load_v2(recorded("graph_of_tf1")[0])
    model = tf.train.Checkpoint(loaded=loaded)
    with sess.as_default(), pytest.raises(ValueError, match="has the reference variable 'r' inside"):
        tf.saved_model.save(model, str(tmp_path / "m"), signatures=loaded.signatures["serving_default"])
    assert not (tmp_path / "m").exists()


# Graphs as objects


def test_graph_written_here_is_an_object_and_saved_as_one(sess, tmp_path):
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    x, words = tf.placeholder(tf.float32, [None], name="X"), tf.placeholder(tf.string, [None], name="words")
    v = tf.get_variable("v", initializer=3.0, use_resource=True)
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(tmp_path / "words.txt"), tf.string, -2, tf.int64, -1), -1
    )
    y, ids = x * v, table.lookup(words)
    initialize(sess)
    tf.saved_model.simple_save(
        sess, str(tmp_path / "m"), {"x": x, "words": words}, {"y": y, "ids": ids}, tf.tables_initializer()
    )
    (tmp_path / "words.txt").unlink()
    path = str(tmp_path / "m")
    for again in "again", "third":
        with tf.Graph().as_default(), tf.Session() as other:
            loaded = tf.saved_model.load_v2(path)
            (path_tensor,) = tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)
            signature = loaded.signatures["serving_default"]
            found = signature(words=tf.constant(WORDS), x=tf.constant([2.0]))
            initialize(other)
            assert lists(other.run(found)) == {"y": [6.0], "ids": [1, -1, -1]}
            assert other.run(path_tensor).decode() == path + "/assets/words.txt"
            with other.as_default():
                tf.saved_model.save(loaded, str(tmp_path / again), signatures=loaded.signatures)
        shutil.rmtree(path)
        path = str(tmp_path / again)


def graph_of_two(sess, path):
    x = tf.placeholder(tf.float32, [None], name="s_x")
    v = tf.get_variable("v", initializer=[2.0], use_resource=True)
    y = tf.multiply(x, v, name="y")
    w = tf.get_variable("w", initializer=1.0, use_resource=False)
    tf.multiply(tf.assign_add(w, 1.0), tf.placeholder(tf.float32, [], name="s/x"), name="grown")
    tf.group(tf.assign(w, 7.0), name="set")
    initialize(sess)
    info = tf.saved_model.build_tensor_info
    signatures = {"f": tf.saved_model.build_signature_def({"x": info(x)}, {"y": info(y)}, "predict")}
    builder = tf.saved_model.Builder(path)
    builder.add_meta_graph_and_variables(sess, ["first"], signatures)
    builder.add_meta_graph(["second"])
    builder.save()
    return path


def test_one_of_several_graphs_is_chosen_by_tags(sess, tmp_path):
    path = graph_of_two(sess, str(tmp_path / "m"))
    with pytest.raises(ValueError, match=r"there are 2 MetaGraphs .*\[\['first'\], \['second'\]\]"):
        tf.saved_model.load_v2(path)
    with pytest.raises(RuntimeError, match="tags 'third' could not be found"):
        tf.saved_model.load_v2(path, tags=["third"])
    assert list(tf.saved_model.load_v2(path, tags={"first"}).signatures) == ["f"]
    assert list(tf.saved_model.load_v2(path, tags="second").signatures) == []


def test_parts_of_a_graph_become_functions(sess, tmp_path):
    loaded = tf.saved_model.load_v2(graph_of_two(sess, str(tmp_path / "m")), ["first"])
    scaled = loaded.prune({"x": "s_x:0"}, {"y": "y:0", "again": ["y:0"]})
    assert [t.name for t in scaled.inputs] == ["s_x:0", "v:0"] and [t.name for t in scaled.outputs] == ["y:0", "y:0"]
    found = scaled(s_x=tf.constant([1.0, 2.0]))
    both = loaded.prune(["s_x:0", "s/x:0"], ["y:0", "grown:0"])(tf.constant([1.0]), tf.constant(3.0))
    written, grown = loaded.prune([], "set")(), loaded.prune("s/x:0", "grown:0")(tf.constant(1.0))
    initialize(sess)
    assert lists(sess.run(found)["y"]) == [2.0, 4.0]
    assert [lists(value) for value in sess.run(both)] == [[2.0], 6.0]
    sess.run(written)
    assert sess.run(grown) == 8.0
    with pytest.raises(KeyError, match="nowhere"):
        loaded.prune("s_x:0", "nowhere:0")
    with pytest.raises(ValueError, match="Feeds must be tensors"):
        loaded.prune("set", "y:0")
    with pytest.raises(ValueError, match="not an element of this graph"):
        loaded.prune([], tf.constant(1.0))
    with pytest.raises(UnliftableError, match=r"placeholder .*'s_x'.* e\.g\.: y \(Mul\) <- s_x \(Placeholder\)"):
        loaded.prune([], "y:0")


def test_signature_that_lacks_an_input_is_refused(sess, tmp_path):
    x = tf.placeholder(tf.float32, [], name="x")
    info = tf.saved_model.build_tensor_info(x * 2.0)
    builder = tf.saved_model.Builder(str(tmp_path / "m"))
    builder.add_meta_graph_and_variables(
        sess, ["serve"], {"f": tf.saved_model.build_signature_def({}, {"y": info}, "predict")}
    )
    builder.save()
    with pytest.raises(UnliftableError, match=r"(?s)An output for signature 'f' depends.*Unable to lift"):
        tf.saved_model.load_v2(str(tmp_path / "m"))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 7)), min_size=1, max_size=3))
def test_changed_graphs_are_loaded_or_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("changed") / "m"
    shutil.copytree(RECORDINGS / "graph_of_tf1", folder)
    data = bytearray((folder / "saved_model.pb").read_bytes())
    for at, bit in changes:
        data[at % len(data)] ^= 1 << bit
    (folder / "saved_model.pb").write_bytes(data)
    refusals = tf.errors.OpError, ValueError, OSError, UnliftableError
    with tf.Graph().as_default(), contextlib.suppress(*refusals):
        tf.saved_model.load_v2(str(folder))


def test_ops_of_a_function_leave_no_traces_in_collections_outside():
    @tf.function
    def step(x):
        tf.add_to_collection("losses", x)
        return x * tf.Variable(2.0)

    step(tf.constant(1.0))
    assert tf.get_collection("losses") == [] and len(tf.global_variables()) == 1


def test_static_table_in_a_checkpoint_has_no_values(sess, tmp_path):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    checkpoint = tf.train.Checkpoint(table=table, v=tf.Variable(1.0))
    sess.run(tf.global_variables_initializer())
    path = checkpoint.save(str(tmp_path / "c"), session=sess)
    keys = [name for name, _ in tf.train.list_variables(path)]
    assert not any("table" in key for key in keys)
    np.testing.assert_equal(len(keys), 3)
