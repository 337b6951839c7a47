"""Record reports of `tf.profiler` under TensorFlow 1.15.

    TF_CPP_MIN_LOG_LEVEL=3 python3.7 tools/record_profiles.py tests/training/recordings

Runs under a Python that has TensorFlow 1.15, and writes profiles.json and profiled_run.binpb (a `RunMetadata`). The
cases are in tests/training/cases_profiler.py.
"""

import json
import os
import sys
import tempfile

import numpy as np
import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "training"))
import cases_profiler as cases

folder = sys.argv[1]
metadata = tf.RunMetadata()
with tf.Graph().as_default() as graph, tf.Session() as session:
    train = cases.model(tf)
    session.run(tf.global_variables_initializer())
    session.run(
        train,
        {"x:0": np.ones([4, 8, 8, 3])},
        options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
        run_metadata=metadata,
    )
metadata.ClearField("cost_graph")
metadata.ClearField("partition_graphs")
metadata.ClearField("function_graphs")
with open(os.path.join(folder, "profiled_run.binpb"), "wb") as out:
    out.write(metadata.SerializeToString())
outfile = os.path.join(tempfile.mkdtemp(), "report")
found = {name: cases.run(tf, name, metadata, outfile) for name in sorted(cases.CASES)}
with open(os.path.join(folder, "profiles.json"), "w") as out:
    json.dump(found, out, sort_keys=True, indent=0)
    out.write("\n")
