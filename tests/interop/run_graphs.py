"""Run by a Python that has TensorFlow 2: runs each graph of a folder, and writes what it gives.

python run_graphs.py FOLDER: for `<n>.pb` with the feeds `<n>.feeds.npz` and the fetches `<n>.json`, `<n>.out.npz`, or
`<n>.error` with the reason why there is none.
"""

import glob
import json
import os
import sys

import numpy as np
import tensorflow

tf = tensorflow.compat.v1
tf.disable_eager_execution()
tf.logging.set_verbosity(tf.logging.FATAL)


def run(stem):
    definition = tf.GraphDef()
    with open(stem + ".pb", "rb") as stream:
        definition.ParseFromString(stream.read())
    with open(stem + ".json") as stream:
        fetches = json.load(stream)
    feeds = dict(np.load(stem + ".feeds.npz"))
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        found = session.run(fetches, {name + ":0": value for name, value in feeds.items()})
    np.savez(stem + ".out.npz", *[np.asarray(v) for v in found])


for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.pb"))):
    try:
        run(path[: -len(".pb")])
    except Exception as error:
        with open(path[: -len(".pb")] + ".error", "w") as report:
            report.write(f"{type(error).__name__}: {str(error)[:300]}")
