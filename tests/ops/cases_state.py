"""Variables overwritten whole and in part, and the steps of training, on reference and on resource variables."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
CASES = []


def case(name, call, *inputs, **options):
    """One case for each kind of variable; `call(tf, variables, *rest)` gives what changes them.

    The first `variables` inputs are initial values. What comes out are the variables' last values.
    """
    count = options.pop("variables", 1)
    for kind, use_resource in (("ref", False), ("resource", True)):
        CASES.append(Case(name + "_" + kind, _run(call, count, use_resource), *inputs, gradient=False, **options))


def _run(call, count, use_resource):
    def run(tf, *inputs):
        variables = [tf.Variable(x, use_resource=use_resource) for x in inputs[:count]]
        with tf.control_dependencies([v.initializer for v in variables]):
            changes = call(tf, variables, *inputs[count:])
        with tf.control_dependencies(changes):
            return [v.read_value() for v in variables]

    return run


def in_turn(tf, changes):
    """Make one change after the other."""
    made = []
    for change in changes:
        with tf.control_dependencies(made[-1:]):
            made.append(change())
    return made


def readable(variable):
    """What reads a variable here and now: a reference variable reads as it was when it was made."""
    return variable.read_value() if variable.dtype._is_ref_dtype else variable


# Whole variables

TABLE, OTHER = floats(4, 3), floats(4, 3, seed=1)
COUNTS, MORE = ints(4, 3), ints(4, 3, seed=1)

case("assign", lambda tf, v, x: [tf.assign(v[0], x)], TABLE, OTHER)
case("assign_ints", lambda tf, v, x: [v[0].assign(x)], COUNTS, MORE)
case("assign_bools", lambda tf, v, x: [tf.assign(v[0], x)], np.array([True, False]), np.array([False, False]))
case("assign_text", lambda tf, v, x: [tf.assign(v[0], x)], np.array([b"a", b"b"]), np.array([b"c", b""]))
case("assign_add", lambda tf, v, x: [tf.assign_add(v[0], x)], TABLE, OTHER)
case("assign_sub", lambda tf, v, x: [tf.assign_sub(v[0], x)], COUNTS, MORE)
case("assign_twice", lambda tf, v, x: in_turn(tf, [lambda: v[0].assign_add(x), lambda: v[0].assign(v[0].read_value() * 2.0)]), TABLE, OTHER)  # fmt: skip
case("assign_complex", lambda tf, v, x: [v[0].assign_add(x)], (TABLE + 1j * OTHER).astype(np.complex64), (1j * TABLE).astype(np.complex64))  # fmt: skip
case("assign_half", lambda tf, v, x: [v[0].assign_sub(x)], TABLE.astype(np.float16), OTHER.astype(np.float16))
case("assign_overflows", lambda tf, v, x: [v[0].assign_add(x)], np.array([127, -128], np.int8), np.array([1, -1], np.int8))  # fmt: skip
case("assign_a_slice", lambda tf, v, x: [v[0][1:3].assign(x)], TABLE, OTHER[:2])
case("assign_of_a_wrong_shape", lambda tf, v, x: [tf.assign_add(v[0], x)], TABLE, OTHER[:2])
case("assign_add_at_run_time_of_a_wrong_shape", lambda tf, v, x: [tf.assign_add(v[0], x)], TABLE, OTHER[:2], shapes={1: None})  # fmt: skip
case("count_up_to", lambda tf, v: [tf.count_up_to(v[0], 3)], np.array(2, np.int64))
case("count_too_far", lambda tf, v: [tf.count_up_to(v[0], 3)], np.array(3))

# Rows and elements

ROWS = np.array([2, 0], np.int32)
TWICE = np.array([[1, 3], [3, 1]], np.int64)
PLACES = np.array([[0, 1], [3, 2], [0, 1]], np.int32)
NONZERO = ints(2, 3, low=1, high=5, seed=2)

for _name in ("update", "add", "sub", "mul", "div", "min", "max"):

    def _scatter(tf, v, rows, updates, name="scatter_" + _name):
        return [getattr(tf, name)(v[0], rows, updates)]

    case("scatter_" + _name, _scatter, TABLE, ROWS, floats(2, 3, low=0.5, seed=3))
    case("scatter_" + _name + "_ints", _scatter, COUNTS, ROWS, NONZERO)
    case("scatter_" + _name + "_twice", _scatter, TABLE, TWICE, floats(2, 2, 3, low=0.5, seed=3))
    case("scatter_" + _name + "_a_scalar", _scatter, TABLE, ROWS, np.float32(1.5))
    case("scatter_" + _name + "_nothing", _scatter, TABLE, ROWS[:0], OTHER[:0])
    case("scatter_" + _name + "_out_of_range", _scatter, TABLE, np.array([0, 4]), OTHER[:2])
    case("scatter_" + _name + "_below", _scatter, TABLE, np.array([-1, 0]), OTHER[:2])
    case("scatter_" + _name + "_wrong_shape", _scatter, TABLE, ROWS, OTHER[:2, :2])
    case("scatter_" + _name + "_wrong_at_run_time", _scatter, TABLE, ROWS, OTHER[:3], shapes={1: None, 2: None})

for _name in ("update", "add", "sub"):

    def _scatter_nd(tf, v, places, updates, name="scatter_nd_" + _name):
        return [getattr(tf, name)(v[0], places, updates)]

    case("scatter_nd_" + _name, _scatter_nd, TABLE, PLACES, floats(3, seed=4))
    case("scatter_nd_" + _name + "_rows", _scatter_nd, TABLE, ROWS[:, None], floats(2, 3, seed=4))
    case("scatter_nd_" + _name + "_blocks", _scatter_nd, COUNTS, PLACES[None], ints(1, 3, seed=4))
    case("scatter_nd_" + _name + "_out_of_range", _scatter_nd, TABLE, np.array([[0, 3]]), floats(1))
    case("scatter_nd_" + _name + "_wrong_shape", _scatter_nd, TABLE, PLACES, floats(2))

case("batch_scatter_update", lambda tf, v, i, x: [tf.batch_scatter_update(v[0], i, x)], floats(2, 4), ints(2, 2, low=0, high=4), floats(2, 2, seed=1))  # fmt: skip
case("gather", lambda tf, v, i, x: [tf.assign(v[1], tf.gather(readable(v[0]), i))], TABLE, OTHER[:2], ROWS, OTHER, variables=2)
case("gather_out_of_range", lambda tf, v, i: [tf.assign(v[1], tf.gather(readable(v[0]), i))], TABLE, OTHER[:2], np.array([0, 7]), variables=2)  # fmt: skip

# Steps of training: two, one after the other

LR, L1, L2, EPSILON = 0.1, 0.05, 0.2, 1e-3
POSITIVE = dict(low=0.1, high=2.0)


def steps(rule, slots, before=(), after=(), sparse=True, names=None, **attributes):
    """Cases for the ops of one rule.

    Args:
        rule: the last part of the ops' names.
        slots: for each variable but the first, whether its values must be positive.
        before, after: (name, value) of the numbers before and after the gradient.
        sparse: whether there are sparse forms.
        names: the arguments of the variables.
    """
    names = ("var",) + names
    numbers = before + after
    label = rule + "".join("_" + key for key, value in sorted(attributes.items()) if value)
    values = lambda dtype, shape: [floats(*shape, dtype=dtype)] + [  # noqa: E731
        floats(*shape, dtype=dtype, seed=i + 5, **(POSITIVE if positive else {})) for i, positive in enumerate(slots)
    ]
    gradient = "delta" if rule in ("GradientDescent", "ProximalGradientDescent") else "grad"

    def step(tf, prefix, variables, inputs):
        use_resource = not variables[0].dtype._is_ref_dtype
        kind = variables[0].dtype.base_dtype
        handles = [v.handle if use_resource else v._ref() for v in variables]
        given = {n: x if n == "global_step" else tf.cast(x, kind) for n, x in numbers}
        given = {n: tf.constant(x, tf.int64) if n == "global_step" else x for n, x in given.items()}
        given.update(zip(names, handles))
        given.update(inputs)
        made = getattr(tf.raw_ops, ("Resource" if use_resource else "") + prefix + rule)(**given, **attributes)
        return made

    def dense(tf, variables, g, h):
        return in_turn(tf, [lambda: step(tf, "Apply", variables, {gradient: x}) for x in (g, h)])

    def one(x, rows):
        return lambda tf, variables: step(tf, "SparseApply", variables, {"grad": x, "indices": rows})

    def on_rows(tf, variables, g, i, h, j):
        changes = [one(g, i), one(h, j)]
        return in_turn(tf, [lambda change=change: change(tf, variables) for change in changes])

    for dtype in (np.float32, F64):
        suffix = "" if dtype is np.float32 else "_float64"
        g, h = floats(4, 3, dtype=dtype, seed=8), floats(4, 3, dtype=dtype, seed=9)
        count = 1 + len(slots)
        case(label + suffix, dense, *values(dtype, (4, 3)) + [g, h], variables=count)
        if sparse:
            i, j = np.array([3, 0], np.int32), np.array([1, 3], np.int32)
            case("Sparse" + label + suffix, on_rows, *values(dtype, (4, 3)) + [g[:2], i, h[:2], j], variables=count)
            case("Sparse" + label + "_vector" + suffix, on_rows, *values(dtype, (4,)) + [g[:2, 0], i, h[:2, 0], j], variables=count)  # fmt: skip
    if sparse:
        g, rows = floats(2, 3), np.array([0, 9])
        case("Sparse" + label + "_out_of_range", on_rows, *values(np.float32, (4, 3)) + [g, rows, g, rows], variables=1 + len(slots))  # fmt: skip


_RATE = (("lr", LR),)
_BETAS = (("beta1_power", 0.81), ("beta2_power", 0.998), ("lr", LR), ("beta1", 0.9), ("beta2", 0.999), ("epsilon", EPSILON))  # fmt: skip
steps("GradientDescent", [], (("alpha", LR),), sparse=False, names=())
for _nesterov in (False, True):
    steps("Momentum", [False], _RATE, (("momentum", 0.9),), names=("accum",), use_nesterov=_nesterov)
    steps("Adam", [False, True], _BETAS, sparse=False, names=("m", "v"), use_nesterov=_nesterov)
steps("Adagrad", [True], _RATE, names=("accum",))
steps("AdagradDA", [False, True], (), (("lr", LR), ("l1", L1), ("l2", L2), ("global_step", 3)), names=("gradient_accumulator", "gradient_squared_accumulator"))  # fmt: skip
steps("Adadelta", [True, True], (("lr", LR), ("rho", 0.9), ("epsilon", EPSILON)), names=("accum", "accum_update"))
_MEANS = (("lr", LR), ("rho", 0.9), ("momentum", 0.8), ("epsilon", EPSILON))
steps("RMSProp", [True, False], _MEANS, names=("ms", "mom"))
steps("CenteredRMSProp", [False, True, False], _MEANS[:3] + (("epsilon", 5.0),), names=("mg", "ms", "mom"))
_FTRL = (("lr", LR), ("l1", L1), ("l2", L2))
for _power in (-0.5, -0.8):
    steps("Ftrl", [True, False], (), _FTRL + (("lr_power", _power),), names=("accum", "linear"), use_locking=_power != -0.5)
steps("FtrlV2", [True, False], (), _FTRL + (("l2_shrinkage", 0.3), ("lr_power", -0.5)), names=("accum", "linear"))
steps("ProximalGradientDescent", [], (("alpha", LR), ("l1", L1), ("l2", L2)), names=())
steps("ProximalAdagrad", [True], (("lr", LR), ("l1", L1), ("l2", L2)), names=("accum",))
steps("AddSign", [False], (("lr", LR), ("alpha", 1.0), ("sign_decay", 0.5), ("beta", 0.9)), sparse=False, names=("m",))
steps("PowerSign", [False], (("lr", LR), ("logbase", 1.0), ("sign_decay", 0.5), ("beta", 0.9)), sparse=False, names=("m",))  # fmt: skip
