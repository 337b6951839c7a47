"""Side by side: Evergraph and whichever peers are there, the same work, in one run.

    python benchmarks/run.py [--rounds 2] [--only ROW ...] [--json]

Peers: hand-written JAX in this Python, and, where a Python that has them is named by an environment variable,
TensorFlow 1.15 (EVERGRAPH_TF1_PYTHON) and TensorFlow 2's compat.v1 (EVERGRAPH_TF2_PYTHON). Each figure is the median
over rounds, and engines take turns within a round; quote the ratios, since the times are this machine's. Two rounds of
everything against all peers take twelve minutes on two quiet cores, most of them ResNet-50's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

MEASURE = Path(__file__).with_name("measure.py")

# row: what it is, unit, divisor of what measure.py gives, and the goals: (engine, factor), or (None, figure)
ROWS = {
    "run_variable": ("run of a variable", "us", 1, [("tf1", 1 / 15)]),
    "run_small_op": ("run of a scalar op with a small feed", "us", 1, [("tf1", 1 / 7), ("jax", 2)]),
    "build_op": ("building a graph, per op", "us", 1, [("tf1", 1 / 12)]),
    "gradients": ("tf.gradients, per forward op", "us", 1, [("tf1", 1 / 8)]),
    "import_time": ("import", "ms", 1e3, [(None, 250)]),
    "mlp_step": ("MLP 784-512-512-10, batch 128, Adam step", "ms", 1e3, [("jax", 1.1)]),
    "mlp_first_step": ("its first step in a new process", "ms", 1e3, [(None, 150)]),
    "big_variable": ("1 GB variable, peak copies in SGD steps", "copies", 1, [(None, 1.1)]),
    "big_variable_first": ("the same in the first two steps", "copies", 1, [(None, 2.1)]),
    "many_variables": ("1,000 small variables, CPU time a step", "ms", 1e3, [("tf1", 0.3)]),
    "records_batch_parse": ("TFRecords batched, then parsed: CPU time a record", "us", 1, [("tf1", 1)]),
    "records_parse_batch": ("TFRecords parsed, then batched: CPU time a record", "us", 1, [("tf1", 0.2)]),
    "records_shuffled": ("TFRecords shuffled, batched, parsed ahead: CPU time a record", "us", 1, [("tf1", 1)]),
    "lists_batch_parse": ("TFRecords with lists batched, then parsed: CPU time a record", "us", 1, [("tf1", 1)]),
    "lists_padded": ("lists of TFRecords made dense, padded: CPU time a record", "us", 1, [("tf1", 0.8)]),
    "elements_mapped": ("a function and a filter of numbers, batched: CPU time each", "us", 1, [("tf1", 0.1)]),
    "lines_parsed": ("lines of a CSV file parsed, batched: CPU time a line", "us", 1, [("tf1", 0.25)]),
    "images_decoded": ("JPEG files decoded, resized, batched: CPU time each", "us", 1, [("tf1", 1)]),
    "rows_shuffled": ("rows of an array shuffled and batched: CPU time a row", "us", 1, [("tf1", 1)]),
}
# network: what it is, and the goal for its CPU time as a part of TensorFlow 1.15's (by the clock: 1)
NETWORKS = {
    "cnn_train": ("small CNN, 64 images, SGD step", 0.66 * 1.1),
    "cnn_infer": ("small CNN, 64 images, inference", 1),
    "resnet50_train": ("ResNet-50, 8 images, momentum step", 0.66 * 1.1),
    "resnet50_infer": ("ResNet-50, 8 images, inference", 0.92 * 1.1),
    "resnet50_infer_one": ("ResNet-50, 1 image, inference", 1.1),
    "mobilenet_infer": ("MobileNet, 8 images, inference", 0.71 * 1.1),
    "word2vec": ("word2vec, 200,000 words, NCE, 20 steps", 0.53 * 1.1),
    "transformer": ("Transformer, 16 texts, Adam step", 0.87 * 1.1),
    "lstm": ("LSTM, 32 sequences of 64, Adam step", 0.6),
}
for _network, (_what, _goal) in NETWORKS.items():
    ROWS[_network + ":cpu"] = (_what + ", CPU", "ms", 1e3, [("tf1", round(_goal, 2))])
    ROWS[_network + ":clock"] = ("  by the clock", "ms", 1e3, [("tf1", 1)])
    ROWS[_network + ":first"] = ("  the first one in a process", "ms", 1e3, [])
WITH_JAX = {"run_small_op", "mlp_step"}


def engines():
    """Name to (Python, module) of the engines found."""
    found = {"evergraph": (sys.executable, "evergraph"), "jax": (sys.executable, "jax")}
    for name, variable in (("tf1", "EVERGRAPH_TF1_PYTHON"), ("tf2", "EVERGRAPH_TF2_PYTHON")):
        if os.environ.get(variable):
            found[name] = (os.environ[variable], "tensorflow.compat.v1")
    return found


def measure(python, row, module):
    command = [python, "-W", "ignore", str(MEASURE), row, module]
    # Compiled files of packages are kept, as they are on any machine that is not told otherwise.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def verdict(medians, engine, limit):
    """A goal in words, and whether it is met."""
    words = (
        f"<= {limit:g}"
        if engine is None
        else f"<= 1/{1 / limit:.3g} {engine}"
        if limit < 0.2
        else f"<= {limit:g} {engine}"
    )
    if "evergraph" not in medians or (engine and engine not in medians):
        return f"{words} (not known)"
    met = medians["evergraph"] <= limit * (medians[engine] if engine else 1)
    return f"{words} {'yes' if met else 'NO'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    every = list(dict.fromkeys(row.partition(":")[0] for row in ROWS))
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = engines()
    jobs = [
        (row, name)
        for row in options.only
        for n in range(options.rounds)
        for name in (list(found) if n % 2 == 0 else reversed(list(found)))
        if name != "jax" or row in WITH_JAX
    ]
    samples = {}
    for name, (python, module) in found.items():
        # Not counted: files are read, and compiled for Python, for the first time.
        if measure(python, "import_time", module) is None:
            sys.exit(f"{name} cannot be imported by {python}")
    for row, name in tqdm(jobs, unit="run", file=sys.stderr):
        python, module = found[name]
        value = measure(python, row, module)
        for part, figure in value.items() if isinstance(value, dict) else [("", value)]:
            if figure is not None:
                key = f"{row}:{part}" if part else row
                samples.setdefault(key, {}).setdefault(name, []).append(figure / ROWS[key][2])
    medians = {row: {name: statistics.median(values) for name, values in by.items()} for row, by in samples.items()}
    if options.json:
        print(json.dumps({"medians": medians, "samples": samples}, indent=1))
        return
    names = list(found)
    print(f"{'':48}" + "".join(f"{name:>12}" for name in names) + f"   {'ratio to them':34} goal")
    for row, by in medians.items():
        what, unit, _, goals = ROWS[row]
        cells = "".join(f"{by[name]:12.4g}" if name in by else f"{'-':>12}" for name in names)
        ours = by.get("evergraph")
        ratios = ", ".join(f"{name} {ours / by[name]:.3g}" for name in names[1:] if name in by) if ours else "failed"
        print(f"{what + ', ' + unit:48}{cells}   {ratios:34} {'; '.join(verdict(by, *goal) for goal in goals)}")
    missing = [v for v in ("EVERGRAPH_TF1_PYTHON", "EVERGRAPH_TF2_PYTHON") if not os.environ.get(v)]
    if missing:
        print(f"not compared with TensorFlow: set {' and '.join(missing)} to a Python that has it")


if __name__ == "__main__":
    main()
