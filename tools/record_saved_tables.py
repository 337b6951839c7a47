"""Record SavedModels with tables and files, and what TensorFlow itself gets from them, for `tf.saved_model.load_v2`.

Run by a Python that has TensorFlow 1.15, and by one that has TensorFlow 2; the tests themselves need neither:

    python tools/record_saved_tables.py

Writes into tests/training/recordings: `tables_of_tf1`, objects with tables and an asset; `graph_of_tf1`, a graph that
`SavedModelBuilder` wrote, with variables of both kinds, a table, branches and loops; `tables_of_tf2`, objects with
tables whose entries come and go. Beside each a JSON file with the results.
"""

import json
import os
import shutil
import tempfile

import tensorflow

tf = tensorflow.compat.v1
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "training", "recordings")
IS_TF1 = tensorflow.__version__.startswith("1.")
WORDS = ["two", "a", "?"]
lookup = tensorflow.lookup
load = tf.saved_model.load_v2 if hasattr(tf.saved_model, "load_v2") else tensorflow.saved_model.load


def words_file(name, lines):
    path = os.path.join(tempfile.mkdtemp(), name)
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def table_of_file(path):
    return lookup.StaticHashTable(
        lookup.TextFileInitializer(path, tf.string, lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                   lookup.TextFileIndex.LINE_NUMBER), -1)  # fmt: skip


def table_of_tensors(values):
    return lookup.KeyValueTensorInitializer(["a", "b"], tf.constant(values, tf.int64))


class Tables(tensorflow.Module):
    def __init__(self):
        super().__init__()
        self.table = table_of_file(words_file("words.txt", ["one", "two"]))
        self.other = table_of_file(words_file("words.txt", ["two", "one", "a"]))
        self.pairs = lookup.StaticHashTable(table_of_tensors([10, 20]), -1)
        self.numbered = lookup.StaticVocabularyTable(table_of_tensors([0, 1]), 2)
        self.added = tensorflow.Variable(tf.constant(100, tf.int64), name="added")
        if IS_TF1:
            from tensorflow.python.training.tracking.tracking import TrackableAsset
        else:
            TrackableAsset = tensorflow.saved_model.Asset
        self.asset = TrackableAsset(words_file("notes.txt", ["a note"]))

    @tensorflow.function(input_signature=[tensorflow.TensorSpec([None], tf.string, "words")])
    def look_up(self, words):
        return {
            "table": self.table.lookup(words) + self.added,
            "other": self.other.lookup(words),
            "pairs": self.pairs.lookup(words),
            "numbered": self.numbered.lookup(words),
        }

    @tensorflow.function(input_signature=[])
    def note(self):
        return tf.io.read_file(self.asset.asset_path)


class Changing(tensorflow.Module):
    def __init__(self):
        super().__init__()
        from tensorflow.python.ops import lookup_ops

        self.table = lookup_ops.MutableHashTable(tf.string, tf.int64, -1)
        self.dense = lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, -1, -2, initial_num_buckets=8)
        self.table.insert(tf.constant(["a"]), tf.constant([5], tf.int64))
        self.dense.insert(tf.constant([7], tf.int64), tf.constant([70], tf.int64))

    @tensorflow.function(input_signature=[tensorflow.TensorSpec([None], tf.string, "words")])
    def look_up(self, words):
        return {"table": self.table.lookup(words), "dense": self.dense.lookup(tf.constant([7, 8], tf.int64))}


def write_objects(name, model):
    path = os.path.join(OUT, name)
    shutil.rmtree(path, ignore_errors=True)
    tensorflow.saved_model.save(model, path, signatures=model.look_up)
    with tf.Graph().as_default(), tf.Session() as sess:
        loaded = load(path)
        found = loaded.look_up(tf.constant(WORDS))
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        record(name, {key: value.tolist() for key, value in sess.run(found).items()})


def write_graph(name):
    path = os.path.join(OUT, name)
    shutil.rmtree(path, ignore_errors=True)
    info, signature = tf.saved_model.build_tensor_info, tf.saved_model.build_signature_def
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None], name="x")
        words = tf.placeholder(tf.string, [None], name="words")
        w = tf.get_variable("w", initializer=3.0, use_resource=True)
        r = tf.get_variable("r", initializer=5.0, use_resource=False)
        local = tf.get_local_variable("local", initializer=1.0, use_resource=True)
        y = tf.identity(x * w + local, name="y")
        branch = tf.cond(tf.reduce_sum(x) > 2.0, lambda: y * r, lambda: y, name="branch")
        loop = tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, z * w), [0, y], name="loop")[1]
        grown = w.assign_add(1.0, read_value=False)
        with tf.control_dependencies([grown]):
            grown = tf.identity(w.read_value(), name="grown")
        ids = table_of_file(tf.constant(words_file("words.txt", ["one", "two"]))).lookup(words)
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
        builder = tf.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            sess,
            ["serve"],
            {
                "serving_default": signature(
                    {"x": info(x)}, {"y": info(y), "branch": info(branch), "loop": info(loop)}, "predict"
                ),
                "look_up": signature({"words": info(words)}, {"ids": info(ids)}, "predict"),
                "sparse": signature({"x": info(x)}, {"sparse": info(tf.sparse.from_dense(y))}, "predict"),
                "grow": signature({}, {"w": info(grown)}, "predict"),
            },
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            main_op=tf.group(tf.tables_initializer(), tf.local_variables_initializer()),
        )
        builder.save()
    with tf.Graph().as_default(), tf.Session() as sess:
        loaded = load(path)
        signatures = loaded.signatures
        given = tf.constant([1.0, 2.0])
        found = {
            "serving_default": signatures["serving_default"](given),
            "look_up": signatures["look_up"](words=tf.constant(WORDS)),
            "pruned": {"loop": loaded.prune("x:0", "loop/Exit_1:0")(given)},
        }
        sparse, grow = signatures["sparse"](given), signatures["grow"]()
        (gradient,) = tf.gradients(loaded.prune("x:0", "y:0")(given), loaded.variables[0])
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        results = {key: {k: v.tolist() for k, v in value.items()} for key, value in sess.run(found).items()}
        results["sparse"] = [part.tolist() for part in sess.run(sparse)["sparse"]]
        results["gradient"] = sess.run(gradient).tolist()
        results["grown"] = [float(sess.run(grow)["w"]) for _ in range(2)]
        results["after"] = sess.run(found["serving_default"])["y"].tolist()
        results["variables"] = [v.op.name for v in loaded.variables]
        results["ops"] = [[op.name, op.type] for op in sess.graph.get_operations()][:8]
        record(name, results)


def record(name, results):
    with open(os.path.join(OUT, name + ".json"), "w") as file:
        json.dump(results, file, indent=1, sort_keys=True)
        file.write("\n")


def main():
    if IS_TF1:
        tf.enable_eager_execution()
        write_objects("tables_of_tf1", Tables())
        write_graph("graph_of_tf1")
    else:
        write_objects("tables_of_tf2", Changing())


main()
