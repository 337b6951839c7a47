"""Variables overwritten whole and in part, and the steps of training, on reference and on resource variables."""

import numpy as np
from ops.case import Case, floats, ints

CASES = []


def case(name, call, *inputs, **options):
    """One case for each kind of variable; `call(tf, variables, *rest)` gives what changes them.

    The first `variables` inputs are initial values. What comes out are the variables' last values.
    """
    count = options.pop("variables", 1)
    for kind in options.pop("kinds", ("ref", "resource")):
        use_resource = kind == "resource"
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
COMPLEX = (TABLE + 1j * OTHER).astype(np.complex64)
HALF, MORE_HALF = TABLE.astype(np.float16), OTHER.astype(np.float16)
FULL, ONES = np.array([127, -128], np.int8), np.array([1, -1], np.int8)


def assign(tf, variables, x):
    return [tf.assign(variables[0], x)]


def assign_add(tf, variables, x):
    return [tf.assign_add(variables[0], x)]


def assign_sub(tf, variables, x):
    return [tf.assign_sub(variables[0], x)]


def add_and_double(tf, variables, x):
    v = variables[0]
    return in_turn(tf, [lambda: v.assign_add(x), lambda: v.assign(v.read_value() * 2.0)])


def assign_rows(tf, variables, x):
    return [variables[0][1:3].assign(x)]


def count(tf, variables):
    return [tf.count_up_to(variables[0], 3)]


case("assign", assign, TABLE, OTHER)
case("assign_ints", assign, COUNTS, MORE)
case("assign_bools", assign, np.array([True, False]), np.array([False, False]))
case("assign_text", assign, np.array([b"a", b"b"]), np.array([b"c", b""]))
case("assign_add", assign_add, TABLE, OTHER)
case("assign_add_complex", assign_add, COMPLEX, 1j * COMPLEX)
case("assign_add_overflows", assign_add, FULL, ONES)
case("assign_sub", assign_sub, COUNTS, MORE)
case("assign_sub_half", assign_sub, HALF, MORE_HALF)
case("assign_twice", add_and_double, TABLE, OTHER)
case("assign_a_slice", assign_rows, TABLE, OTHER[:2])
case("assign_a_wrong_shape", assign_add, TABLE, OTHER[:2])
case("assign_a_shape_that_turns_out_wrong", assign_add, TABLE, OTHER[:2], shapes={1: None})
case("count_up_to", count, np.array(2, np.int64))
case("count_too_far", count, np.array(3))

# Rows and elements

ROWS = np.array([2, 0], np.int32)
TWICE = np.array([[1, 3], [3, 1]], np.int64)
PLACES = np.array([[0, 1], [3, 2], [0, 1]], np.int32)
NONZERO = ints(2, 3, low=1, high=5, seed=2)

for _name in ("update", "add", "sub", "mul", "div", "min", "max"):

    def _scatter(tf, variables, rows, updates, name="scatter_" + _name):
        return [getattr(tf, name)(variables[0], rows, updates)]

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

    def _scatter_nd(tf, variables, places, updates, name="scatter_nd_" + _name):
        return [getattr(tf, name)(variables[0], places, updates)]

    case("scatter_nd_" + _name, _scatter_nd, TABLE, PLACES, floats(3, seed=4))
    case("scatter_nd_" + _name + "_rows", _scatter_nd, TABLE, ROWS[:, None], floats(2, 3, seed=4))
    case("scatter_nd_" + _name + "_blocks", _scatter_nd, COUNTS, PLACES[None], ints(1, 3, seed=4))
    case("scatter_nd_" + _name + "_out_of_range", _scatter_nd, TABLE, np.array([[0, 3]]), floats(1))
    case("scatter_nd_" + _name + "_wrong_shape", _scatter_nd, TABLE, PLACES, floats(2))


def batches(tf, variables, rows, updates):
    return [tf.batch_scatter_update(variables[0], rows, updates)]


def gather(tf, variables, rows):
    """Put some rows of the first variable into the second."""
    return [tf.assign(variables[1], tf.gather(readable(variables[0]), rows))]


case("batch_scatter_update", batches, floats(2, 4), ints(2, 2, low=0, high=4), floats(2, 2, seed=1))
case("gather", gather, TABLE, OTHER[:2], ROWS, variables=2)
case("gather_out_of_range", gather, TABLE, OTHER[:2], np.array([0, 7]), variables=2)

# Steps of training: two, one after the other


def steps(rule, slots, before=(), after=(), sparse=True, **attributes):
    """Cases for the ops of one rule.

    Args:
        rule: the last part of the ops' names.
        slots: (name, least value) of each variable but the first.
        before, after: (name, value) of the numbers before and after the gradient.
        sparse: whether there are sparse forms.
        **attributes: attributes of the ops.
    """
    names = ["var"] + [name for name, _ in slots]
    label = rule + "".join(f"_{key}_{attributes[key]}" for key in sorted(attributes))
    gradient = "delta" if rule in ("GradientDescent", "ProximalGradientDescent") else "grad"
    on_table = Step(rule, "Apply", names, before + after, attributes)
    on_rows = Step(rule, "SparseApply", names, before + after, attributes)

    def dense(tf, variables, g, h):
        return in_turn(tf, [on_table.on(tf, variables, {gradient: x}) for x in (g, h)])

    def by_rows(tf, variables, g, i, h, j):
        return in_turn(tf, [on_rows.on(tf, variables, {"grad": x, "indices": n}) for x, n in ((g, i), (h, j))])

    def values(dtype, *shape):
        lows = [-2.0] + [low for _, low in slots]
        return [floats(*shape, dtype=dtype, low=low, seed=n + 5) for n, low in enumerate(lows)]

    i, j, beyond = np.array([3, 0], np.int32), np.array([1, 3], np.int32), np.array([0, 9])
    # The kernels are the same for both kinds of variables: each type has one.
    for dtype, suffix, kind in ((np.float32, "", "ref"), (np.float64, "_float64", "resource")):
        options = {"variables": len(names), "kinds": (kind,)}
        g, h = floats(4, 3, dtype=dtype, seed=8), floats(4, 3, dtype=dtype, seed=9)
        table, vector = values(dtype, 4, 3), values(dtype, 4)
        case(label + suffix, dense, *(table + [g, h]), **options)
        if sparse:
            sparse_label = "Sparse" + label + suffix
            case(sparse_label, by_rows, *(table + [g[:2], i, h[:2], j]), **options)
            ends = [g[:2, 0], i, h[:2, 0], j]
            case(sparse_label + "_vector", by_rows, *(vector + ends), **options)
            wrong = [g[:2], beyond, g[:2], beyond]
            case(sparse_label + "_out_of_range", by_rows, *(table + wrong), **options)


class Step:
    """One op of training, to be put on variables."""

    def __init__(self, rule, prefix, names, numbers, attributes):
        self.name = prefix + rule
        self.names = names
        self.numbers = numbers
        self.attributes = attributes

    def on(self, tf, variables, inputs):
        """What builds the op for these variables, when it is called."""
        return lambda: self.built(tf, variables, inputs)

    def built(self, tf, variables, inputs):
        is_ref = variables[0].dtype._is_ref_dtype
        kind = variables[0].dtype.base_dtype
        given = {name: tf.constant(x, tf.int64 if name == "global_step" else kind) for name, x in self.numbers}
        given.update(zip(self.names, [v._ref() if is_ref else v.handle for v in variables]))
        given.update(inputs)
        given.update(self.attributes)
        return getattr(tf.raw_ops, self.name if is_ref else "Resource" + self.name)(**given)


RATE = (("lr", 0.1),)
PENALTIES = (("l1", 0.05), ("l2", 0.2))
EPSILON = (("epsilon", 1e-3),)
POWERS = (("beta1_power", 0.81), ("beta2_power", 0.998))
BETAS = (("beta1", 0.9), ("beta2", 0.999))
MEANS = (("lr", 0.1), ("rho", 0.9), ("momentum", 0.8))
SIGNS = (("sign_decay", 0.5), ("beta", 0.9))
FREE, POSITIVE = -2.0, 0.1

steps("GradientDescent", [], (("alpha", 0.1),), sparse=False)
for _nesterov in (False, True):
    steps("Momentum", [("accum", FREE)], RATE, (("momentum", 0.9),), use_nesterov=_nesterov)
    _slots = [("m", FREE), ("v", POSITIVE)]
    steps("Adam", _slots, POWERS + RATE + BETAS + EPSILON, sparse=False, use_nesterov=_nesterov)
steps("Adagrad", [("accum", POSITIVE)], RATE)
steps("Adagrad", [("accum", POSITIVE)], RATE, update_slots=False)
_slots = [("gradient_accumulator", FREE), ("gradient_squared_accumulator", POSITIVE)]
steps("AdagradDA", _slots, (), RATE + PENALTIES + (("global_step", 3),))
_slots = [("accum", POSITIVE), ("accum_update", POSITIVE)]
steps("Adadelta", _slots, (("lr", 0.1), ("rho", 0.9)) + EPSILON)
steps("RMSProp", [("ms", POSITIVE), ("mom", FREE)], MEANS + EPSILON)
steps("CenteredRMSProp", [("mg", FREE), ("ms", POSITIVE), ("mom", FREE)], MEANS + (("epsilon", 5.0),))
_slots = [("accum", POSITIVE), ("linear", FREE)]
steps("Ftrl", _slots, (), RATE + PENALTIES + (("lr_power", -0.5),))
steps("Ftrl", _slots, (), RATE + PENALTIES + (("lr_power", -0.8),), use_locking=True)
steps("FtrlV2", _slots, (), RATE + PENALTIES + (("l2_shrinkage", 0.3), ("lr_power", -0.5)))
steps("ProximalGradientDescent", [], (("alpha", 0.1),) + PENALTIES)
steps("ProximalAdagrad", [("accum", POSITIVE)], RATE + PENALTIES)
steps("AddSign", [("m", FREE)], RATE + (("alpha", 1.0),) + SIGNS, sparse=False)
steps("PowerSign", [("m", FREE)], RATE + (("logbase", 1.0),) + SIGNS, sparse=False)
