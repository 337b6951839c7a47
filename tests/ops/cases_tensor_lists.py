"""Lists of tensors as values: TensorListReserve, TensorListPushBack, ... (`tensorflow.python.ops.list_ops`)."""

import numpy as np
from ops.case import Case, floats

X = floats(3, 2)
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


def lists(tf):
    """The Python functions on lists: their place is internal in TensorFlow."""
    from importlib import import_module

    return import_module(("evergraph" if "evergraph" in tf.__name__ else "tensorflow") + ".python.ops.list_ops")


def _push_and_pop(tf, x):
    L = lists(tf)
    made = L.empty_tensor_list([2], tf.float32)
    for row in tf.unstack(x):
        made = L.tensor_list_push_back(made, row)
    length = L.tensor_list_length(made)
    shorter, last = L.tensor_list_pop_back(made, tf.float32)
    return [last, L.tensor_list_stack(shorter, tf.float32), length, L.tensor_list_stack(made, tf.float32, 3)]


def _reserved(tf, x):
    L = lists(tf)
    made = L.tensor_list_reserve([2], 4, tf.float32)
    made = L.tensor_list_set_item(made, 2, x[0] * 2.0)
    before = L.tensor_list_stack(made, tf.float32)
    made = L.tensor_list_set_item(made, 2, x[1])
    return [before, L.tensor_list_stack(made, tf.float32), L.tensor_list_get_item(made, 0, tf.float32)]


def _partial_shape(tf, x):
    L = lists(tf)
    made = L.tensor_list_reserve([None], 3, tf.float32)
    made = L.tensor_list_set_item(made, 1, x[2])
    return [
        L.tensor_list_stack(made, tf.float32),
        L.tensor_list_get_item(made, 0, tf.float32),
        L.tensor_list_element_shape(made, tf.int32),
        L.tensor_list_gather(made, [1, 2, 1], tf.float32),
    ]


def _gather_and_scatter(tf, x):
    L = lists(tf)
    made = L.tensor_list_scatter(x, [2, 0, 3], [2])
    more = L.tensor_list_scatter(x[:2] * 3.0, [1, 4], input_handle=L.tensor_list_scatter(x, [2, 0, 3], [2]))
    return [
        L.tensor_list_gather(made, [3, 0], tf.float32),
        L.tensor_list_stack(made, tf.float32),
        L.tensor_list_stack(more, tf.float32),
        L.tensor_list_length(more),
    ]


def _split_and_concat(tf, x):
    L = lists(tf)
    made = L.tensor_list_split(x, [None, 2], [1, 2])
    same = L.tensor_list_split(tf.concat([x, x], 0), [None, 2], [2, 2, 2])
    return [
        L.tensor_list_concat(made, tf.float32),
        L.tensor_list_get_item(made, 1, tf.float32),
        L.tensor_list_concat(same, tf.float32) * 2.0,
    ]


def _resize(tf, x):
    L = lists(tf)
    made = L.tensor_list_from_tensor(x, [2])
    longer = L.tensor_list_resize(made, 5)
    return [
        L.tensor_list_stack(longer, tf.float32),
        L.tensor_list_stack(L.tensor_list_resize(longer, 2), tf.float32) * 3.0,
        L.tensor_list_stack(L.tensor_list_concat_lists(made, made, element_dtype=tf.float32), tf.float32),
    ]


def _in_loop(tf, x):
    L = lists(tf)
    given = L.tensor_list_from_tensor(x, [2])
    made = L.tensor_list_reserve([2], 3, tf.float32)

    def turn(i, state, made):
        state = tf.tanh(state + L.tensor_list_get_item(given, i, tf.float32))
        return i + 1, state, L.tensor_list_set_item(made, i, state * 2.0)

    _, last, made = tf.while_loop(lambda i, *_: i < 3, turn, [0, tf.zeros([2]), made])
    return [last, L.tensor_list_stack(made, tf.float32)]


def _in_loop_of_unknown_shape(tf, x):
    L = lists(tf)
    made = L.tensor_list_reserve(None, tf.shape(x)[0], tf.float32)

    def turn(i, made):
        return i + 1, L.tensor_list_set_item(made, i, x[i] * tf.cast(i, tf.float32))

    _, made = tf.while_loop(lambda i, _: i < 3, turn, [0, made])
    return [L.tensor_list_stack(made, tf.float32), L.tensor_list_length(made)]


def _pushes_in_loop(tf, x):
    L = lists(tf)
    made = L.empty_tensor_list([2], tf.float32)
    _, made = tf.while_loop(
        lambda i, _: i < 3, lambda i, made: (i + 1, L.tensor_list_push_back(made, x[i] * x[i])), [0, made]
    )
    return [L.tensor_list_stack(made, tf.float32), L.tensor_list_length(made)]


def _in_branch(tf, x):
    L = lists(tf)
    made = L.tensor_list_from_tensor(x, [2])
    changed = tf.cond(x[0, 0] > 0.0, lambda: L.tensor_list_set_item(made, 0, x[1]), lambda: made)
    other = tf.cond(x[0, 0] < 0.0, lambda: L.tensor_list_set_item(made, 1, x[2]), lambda: made)
    return [L.tensor_list_stack(changed, tf.float32), L.tensor_list_stack(other, tf.float32)]


def _nested(tf, x):
    L = lists(tf)
    inner = L.tensor_list_from_tensor(x, [2])
    outer = L.empty_tensor_list([], tf.variant)
    outer = L.tensor_list_push_back(outer, inner)
    outer = L.tensor_list_push_back(outer, L.tensor_list_set_item(inner, 0, x[2]))
    outer, last = L.tensor_list_pop_back(outer, tf.variant)
    _, first = L.tensor_list_pop_back(outer, tf.variant)
    return [L.tensor_list_stack(first, tf.float32), L.tensor_list_stack(last, tf.float32)]


def _batch(tf, x):
    L = lists(tf)
    handles = tf.stack([L.tensor_list_from_tensor(x, [2]), L.tensor_list_from_tensor(x[:1], [2])])
    pushed = tf.unstack(L.tensor_list_push_back_batch(handles, x[1:]))
    both = tf.unstack(L.tensor_list_concat_lists(handles, handles, element_dtype=tf.float32))
    return [L.tensor_list_stack(made, tf.float32) for made in pushed + both]


for _name, _call in sorted(globals().items()):
    if _name.startswith("_") and not _name.startswith("__") and callable(_call):
        # TensorFlow cannot differentiate some of them: zeros in the place of a list raise a TypeError there.
        case(_name[1:], _call, X, gradient=_name not in ("_in_branch", "_in_loop", "_batch", "_nested"))
case("of_unknown_shapes", _in_loop, X, shapes={0: None}, gradient=False)
case("strings", lambda tf, s: lists(tf).tensor_list_stack(lists(tf).tensor_list_from_tensor(s, []), tf.string),
     np.array([b"a", b"bc"], object))  # fmt: skip
case("ints", lambda tf, n: lists(tf).tensor_list_gather(lists(tf).tensor_list_from_tensor(n, []), [1, 1], tf.int64),
     np.array([3, 4], np.int64))  # fmt: skip

for _name, _call in {
    "no_such_item": lambda tf, L, x: L.tensor_list_get_item(L.tensor_list_from_tensor(x, [2]), 3, tf.float32),
    "no_place": lambda tf, L, x: L.tensor_list_length(
        L.tensor_list_set_item(L.tensor_list_from_tensor(x, [2]), 3, x[0])),
    "nothing_to_pop": lambda tf, L, x: L.tensor_list_pop_back(L.empty_tensor_list([2], tf.float32), tf.float32)[1],
    "full": lambda tf, L, x: L.tensor_list_length(
        L.tensor_list_push_back(L.empty_tensor_list([2], tf.float32, 0), x[0])),
    "wrong_shape": lambda tf, L, x: L.tensor_list_length(
        L.tensor_list_push_back(L.empty_tensor_list([3], tf.float32), x[0])),
    "wrong_type": lambda tf, L, x: L.tensor_list_push_back(L.empty_tensor_list([2], tf.int32), x[0]),
    "wrong_element_shape": lambda tf, L, x: L.tensor_list_stack(L.tensor_list_from_tensor(x, [2]), tf.float32, -1, [3]),
    "nothing_set": lambda tf, L, x: L.tensor_list_stack(L.tensor_list_reserve(None, 3, tf.float32), tf.float32),
    "several_shapes": lambda tf, L, x: L.tensor_list_stack(
        L.tensor_list_push_back(L.tensor_list_push_back(L.empty_tensor_list(None, tf.float32), x[0]), x), tf.float32
    ),
    "wrong_count": lambda tf, L, x: L.tensor_list_stack(L.tensor_list_from_tensor(x, [2]), tf.float32, 2),
    "negative_index": lambda tf, L, x: L.tensor_list_length(L.tensor_list_scatter(x, [0, -1, 2], [2])),
    "lengths_too_short": lambda tf, L, x: L.tensor_list_length(L.tensor_list_split(x, [None, 2], [1])),
    "lengths_too_long": lambda tf, L, x: L.tensor_list_length(L.tensor_list_split(x, [None, 2], [2, 2])),
    "scalar": lambda tf, L, x: L.tensor_list_from_tensor(x[0, 0], []),
}.items():  # fmt: skip
    case(_name, lambda tf, x, _call=_call: _call(tf, lists(tf), x), X, gradient=False)
