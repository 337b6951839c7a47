"""Ops that read records: Example, SequenceExample, CSV, raw bytes, serialized tensors."""

import zlib

import numpy as np
from ops.case import Case

CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *[strings(x) for x in inputs], gradient=False, **options))


def strings(x):
    return np.array(x, object) if isinstance(x, (list, bytes, str)) else x


# The wire format by hand: protocol messages of one pool do not mix with those of another.


def field(number, data):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(n):
    n &= 2**64 - 1
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def feature(values):
    """A feature: of a list of numbers or bytes; None for no list, "bytes", "floats" or "ints" for no elements."""
    if values is None:
        return b""
    if isinstance(values, str):
        return field(["", "bytes", "floats", "ints"].index(values), b"")
    if values and isinstance(values[0], bytes):
        return field(1, b"".join(field(1, v) for v in values))
    if values and isinstance(values[0], float):
        return field(2, field(1, np.array(values, "<f4").tobytes()))
    return field(3, field(1, b"".join(varint(v) for v in values)))


def entries(features):
    return b"".join(field(1, field(1, key.encode()) + field(2, feature(values))) for key, values in features.items())


def example(**features):
    return field(1, entries(features))


def sequence(context, **lists):
    steps = b"".join(
        field(1, field(1, key.encode()) + field(2, b"".join(field(1, feature(step)) for step in rows)))
        for key, rows in lists.items()
    )
    return field(1, entries(context)) + field(2, steps)


def flat(tf, parsed):
    """The tensors of one or several dicts, in a fixed order."""
    found = []
    for each in parsed if isinstance(parsed, tuple) else (parsed,):
        for key in sorted(each):
            value = each[key]
            is_sparse = isinstance(value, tf.SparseTensor)
            found.extend([value.indices, value.values, value.dense_shape] if is_sparse else [value])
    return found


A = example(a=[1, -2], b=[1.5], c=[b"xy", b"z"], n=[2**40])
B = example(a=[3], b=[-0.25, 7.0], c=[b""], n=[-1])
EMPTY = example(a=None)


def wanted(tf):
    return {
        "b": tf.FixedLenSequenceFeature([], tf.float32, allow_missing=True, default_value=-1.0),
        "a": tf.VarLenFeature(tf.int64),
        "c": tf.VarLenFeature(tf.string),
        "n": tf.FixedLenFeature([], tf.int64, 7),
        "q": tf.FixedLenFeature([2], tf.string, ["l", "r"]),
        "v": tf.VarLenFeature(tf.float32),
    }


case("examples", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), [A, B, EMPTY, b""])
case("examples_open", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), [A, B], shapes={0: None})
case("no_examples", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), np.zeros(0, object), shapes={0: [None]})
case("single", lambda tf, x: flat(tf, tf.parse_single_example(x, wanted(tf))), A)
case("single_open", lambda tf, x: flat(tf, tf.io.parse_single_example(x, wanted(tf))), B, shapes={0: None})
case("single_named", lambda tf, x: flat(tf, tf.parse_single_example(x, wanted(tf), example_names="r")), A)
case("single_vector", lambda tf, x: flat(tf, tf.parse_single_example(x, wanted(tf))), [A])
case("named", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf), example_names=["r", "s"])), [A, B])
case("named_short", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf), example_names=["r"])), [A, B])

# Records of one layout, as files usually have them, and some that depart from it.
UNIFORM = [
    example(label=[i], image=[b"%03d" % i], x=[float(i), i / 8.0, -1.0], id=[7**i % 100000 - 50], w=[b"q" * i])
    for i in range(20)
]
ODD_ONES = UNIFORM[:9] + [
    example(x=[1.0, 2.0, 3.0], label=[-(2**63)], image=[b"r" * 200], id=[2**62], w=[b"a", b"b"]),
    example(label=[1], image=[b"ab"], x=[0.0, 0.0, 0.0], id=[5], w="bytes"),
    example(label=[1], image=[b"ab"], x=[0.5, 0.0, 0.0], id=[1, 2, 3]),
    UNIFORM[0] + UNIFORM[1],
    b"\x1a\x01x" + UNIFORM[3],
]


def uniform(tf):
    return {
        "label": tf.FixedLenFeature([], tf.int64),
        "image": tf.FixedLenFeature([], tf.string),
        "x": tf.FixedLenFeature([3], tf.float32),
        "id": tf.VarLenFeature(tf.int64),
        "w": tf.VarLenFeature(tf.string),
        "none": tf.VarLenFeature(tf.float32),
    }


case("uniform", lambda tf, x: flat(tf, tf.parse_example(x, uniform(tf))), UNIFORM)
case("odd_ones", lambda tf, x: flat(tf, tf.parse_example(x, uniform(tf))), ODD_ONES)
LONG = [example(x=[j / 4.0 for j in range(60)], n=list(range(-5, 60)), s=[b"z" * (150 + i)]) for i in range(12)]
case(
    "long",
    lambda tf, x: flat(
        tf,
        tf.parse_example(
            x,
            {
                "x": tf.FixedLenFeature([4, 15], tf.float32),
                "n": tf.FixedLenFeature([65], tf.int64),
                "s": tf.FixedLenFeature([1], tf.string),
            },
        ),
    ),
    LONG,
)
RAGGED = [
    example(
        f=[float(j) for j in range(i % 4)] or "floats",
        n=[10**j for j in range(i % 5)] or "ints",
        s=[b"s"] * (i % 3) or "bytes",
    )
    for i in range(12)
]
case(
    "ragged",
    lambda tf, x: flat(
        tf,
        tf.parse_example(
            x,
            {
                "f": tf.VarLenFeature(tf.float32),
                "n": tf.FixedLenSequenceFeature([], tf.int64, True, -1),
                "s": tf.VarLenFeature(tf.string),
            },
        ),
    ),
    RAGGED,
)

UNPACKED = field(1, field(1, field(1, b"a") + field(2, field(3, b"\x08\x01\x08\x02"))))
UNPACKED_FLOATS = field(1, field(1, field(1, b"b") + field(2, field(2, b"\x0d\x00\x00\x80\x3f\x0d\x00\x00\x00\x40"))))
case("unpacked", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), [UNPACKED, UNPACKED_FLOATS])
case("last_counts", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), [A + example(a=[9])])

# What is refused

for _name, _key, _kind, _record in [
    ("type", "a", lambda tf: tf.FixedLenFeature([2], tf.float32), A),
    ("sparse_type", "a", lambda tf: tf.VarLenFeature(tf.string), A),
    ("shape", "a", lambda tf: tf.FixedLenFeature([3], tf.int64), A),
    ("scalar", "c", lambda tf: tf.FixedLenFeature([], tf.string), A),
    ("missing", "q", lambda tf: tf.FixedLenFeature([], tf.int64), A),
    ("empty", "a", lambda tf: tf.FixedLenFeature([], tf.int64), EMPTY),
    ("stride", "a", lambda tf: tf.FixedLenSequenceFeature([3], tf.int64, True), A),
    ("sequence_type", "a", lambda tf: tf.FixedLenSequenceFeature([], tf.string, True), A),
    ("cut", "a", lambda tf: tf.VarLenFeature(tf.int64), example(a=[b"xy"])[:-1]),
    ("features", "a", lambda tf: tf.VarLenFeature(tf.int64), b"\x0a\x03\x1a\x01x"),
    ("order", "a", lambda tf: tf.VarLenFeature(tf.int64), field(1, field(1, field(2, feature([1])) + field(1, b"a")))),
    ("value", "a", lambda tf: tf.VarLenFeature(tf.int64), field(1, field(1, field(1, b"a")))),
    ("kind", "a", lambda tf: tf.VarLenFeature(tf.int64), field(1, field(1, field(1, b"a") + field(2, field(5, b"x"))))),
    ("default", "a", lambda tf: tf.FixedLenFeature([2], tf.int64, [1, 2, 3]), A),
    ("not_allowed", "a", lambda tf: tf.FixedLenSequenceFeature([2], tf.int64), A),
    ("open_shape", "a", lambda tf: tf.FixedLenFeature([None, 2], tf.int64), A),
    ("no_shape", "a", lambda tf: tf.FixedLenFeature(None, tf.int64), A),
    ("no_type", "a", lambda tf: tf.VarLenFeature(None), A),
    ("no_feature", "a", lambda tf: 3, A),
]:
    _call = lambda tf, x, _k=_key, _f=_kind: flat(tf, tf.parse_example(x, {_k: _f(tf)}))  # noqa: E731
    case("refused_" + _name, _call, [_record])
    case("refused_later_" + _name, _call, [A] * 10 + [_record])
    _call = lambda tf, x, _k=_key, _f=_kind: flat(tf, tf.parse_single_example(x, {_k: _f(tf)}))  # noqa: E731
    case("refused_single_" + _name, _call, _record)
case("nothing_wanted", lambda tf, x: flat(tf, tf.parse_example(x, {})), [A])
case("examples_matrix", lambda tf, x: flat(tf, tf.parse_example(x, wanted(tf))), [[A]], shapes={0: None})

# Sequences

S = sequence({"a": [1, 2], "w": [b"x"]}, f=[[1.0, 2.0], [3.0, 4.0]], n=[[1], "ints", [2, 3]], s=[[b"p"], None])
T = sequence({"a": [5, 6]}, f=[[7.0, 8.0]], n=[])


def steps(tf):
    context = {
        "a": tf.FixedLenFeature([2], tf.int64),
        "w": tf.VarLenFeature(tf.string),
        "d": tf.FixedLenFeature([], tf.float32, 0.5),
    }
    return context, {
        "f": tf.FixedLenSequenceFeature([2], tf.float32),
        "n": tf.VarLenFeature(tf.int64),
        "s": tf.VarLenFeature(tf.string),
        "z": tf.FixedLenSequenceFeature([], tf.string, allow_missing=True),
    }


case("sequence", lambda tf, x: flat(tf, tf.parse_single_sequence_example(x, *steps(tf))), S)
case("sequence_short", lambda tf, x: flat(tf, tf.parse_single_sequence_example(x, *steps(tf), example_name="r")), T)
case("sequences", lambda tf, x: flat(tf, tf.io.parse_sequence_example(x, *steps(tf))), [S, T])
case("sequences_open", lambda tf, x: flat(tf, tf.io.parse_sequence_example(x, *steps(tf))), [T], shapes={0: [None]})
for _name, _record in [("cut", S[:-1]), ("missing", sequence({"a": [1, 2]})), ("context", sequence({}, f=[])),
                       ("type", sequence({"a": [1, 2]}, f=[[1]])), ("shape", sequence({"a": [1, 2]}, f=[[1.0]])),
                       ("sparse_type", sequence({"a": [1, 2]}, f=[], n=[[b"x"]]))]:  # fmt: skip
    case(
        "sequence_refused_" + _name,
        lambda tf, x: flat(tf, tf.parse_single_sequence_example(x, *steps(tf))),
        _record,
    )
case("sequence_nothing", lambda tf, x: flat(tf, tf.parse_single_sequence_example(x)), S)

# CSV

ROWS = ['1,2.5,a b,"x,y"', ' 2 ,,"q ""z""",', "3,1e3,,w", '\n4,-.5,"",r']
DEFAULTS = [[0], [0.5], [b"none"], ["d"]]
case("csv", lambda tf, x: tf.decode_csv(x, DEFAULTS), ROWS)
case("csv_open", lambda tf, x: tf.io.decode_csv(x, DEFAULTS), [ROWS], shapes={0: None})
case("csv_columns", lambda tf, x: tf.decode_csv(x, [[0.0], ["d"]], select_cols=[1, 3]), ROWS)
case("csv_delimiter", lambda tf, x: tf.decode_csv(x, [[0], [""]], field_delim=";"), ["1;a,b", "2;"])
case("csv_quotes", lambda tf, x: tf.decode_csv(x, [[""], [""]], use_quote_delim=False), ['"a,b"', 'x"y,z'])
case("csv_na", lambda tf, x: tf.decode_csv(x, [[7], ["d"]], na_value="NA"), ["NA,NA", "1,b"])
case(
    "csv_types",
    lambda tf, x: tf.decode_csv(x, [np.int64(1), np.zeros(0, np.float64), np.array([2], np.int32), ["s"]]),
    ["9000000000,.125,1,a"],
)
case("csv_none", lambda tf, x: tf.decode_csv(x, [[1], [2]]), np.zeros(0, object), shapes={0: [None]})
for _i, _row in enumerate(
    ["1", "1,2,3", "x,2", "1.5,2", ",2", '1,"2', '1,2"', '"1"x,2', '"1""2,3', "1,2\n", "1,3000000000", ""]
):
    case(f"csv_refused_{_i}", lambda tf, x: tf.decode_csv(x, [np.zeros(0, np.int32), [1]]), [_row])
case("csv_order", lambda tf, x: tf.decode_csv(x, [[1], [1]], select_cols=[1, 0]), ["1,2"])
case("csv_default", lambda tf, x: tf.decode_csv(x, [[1, 2]]), ["1"])

# Raw bytes

BYTES = [b"\x00\x01\x80\xfe\x3f\x40\x3f\x01\x02\x03\x04\x05\x06\x07\x08\x09", b"0123456789abcdef"]
for _type in (
    "float16",
    "float32",
    "float64",
    "int32",
    "uint16",
    "uint8",
    "int16",
    "int8",
    "int64",
    "complex64",
    "complex128",
):
    case("raw_" + _type, lambda tf, x, _t=_type: tf.decode_raw(x, getattr(tf, _t)), BYTES)
    case("raw_big_" + _type, lambda tf, x, _t=_type: tf.io.decode_raw(x, getattr(tf, _t), little_endian=False), BYTES)
case("raw_bool", lambda tf, x: tf.decode_raw(x, tf.bool), [b"\x01\x00"])
case("raw_scalar", lambda tf, x: tf.decode_raw(x, tf.uint8), b"abc", shapes={0: None})
case("raw_empty", lambda tf, x: tf.decode_raw(x, tf.int16), ["", ""])
case("raw_none", lambda tf, x: tf.decode_raw(x, tf.int16), np.zeros(0, object))
case("raw_lengths", lambda tf, x: tf.decode_raw(x, tf.uint8), ["a", "bc"])
case("raw_size", lambda tf, x: tf.decode_raw(x, tf.int32), ["abcde"])
for _length in (4, 8, 20):
    case(
        f"padded_raw_{_length}",
        lambda tf, x, _n=_length: tf.raw_ops.DecodePaddedRaw(input_bytes=x, fixed_length=_n, out_type=tf.int16),
        ["abcdefghi"],  # one alone: TensorFlow 1.15 writes what follows to the wrong place
    )
case(
    "padded_raw_odd",
    lambda tf, x, n: tf.raw_ops.DecodePaddedRaw(input_bytes=x, fixed_length=n, out_type=tf.int16),
    ["abc"],
    np.int32(3),
)


def gzipped(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


case("zlib", lambda tf, x: tf.decode_compressed(x, "ZLIB"), [zlib.compress(b"a" * 1000), zlib.compress(b"b")])
case("gzip", lambda tf, x: tf.io.decode_compressed(x, compression_type="GZIP"), [gzipped(b"hello"), gzipped(b"x")])
case("not_compressed", lambda tf, x: tf.decode_compressed(x), ["ab", "c"])
case("compression", lambda tf, x: tf.decode_compressed(x, "LZ4"), ["ab"])
case("no_zlib", lambda tf, x: tf.decode_compressed(x, "ZLIB"), ["not compressed"])

# Tensors

case(
    "tensors",
    lambda tf, x, n, s: [
        tf.io.parse_tensor(tf.io.serialize_tensor(x), tf.float32),
        tf.parse_tensor(tf.serialize_tensor(n), tf.int32),
        tf.parse_tensor(tf.serialize_tensor(s), tf.string),
        tf.serialize_tensor(x),
        tf.serialize_tensor(s),
    ],
    np.array([[1.5, -2.0]], np.float32),
    np.int32(3),
    ["a", "bcd"],
)
case("tensor_type", lambda tf, x: tf.parse_tensor(tf.serialize_tensor(x), tf.int32), np.float32([1]))
case("no_tensor", lambda tf, x: tf.parse_tensor(x, tf.int32), b"\x08")
case("tensor_vector", lambda tf, x: tf.parse_tensor(x, tf.int32), ["a"])
JSON = '{"features": {"feature": {"a": {"int64List": {"value": ["1", 2]}}, "f": {"float_list": {"value": [1.5]}}}}}'
case(
    "json",
    lambda tf, x: flat(tf, tf.parse_example(tf.decode_json_example(x), {"a": tf.VarLenFeature(tf.int64)})),
    [JSON],
)
case("no_json", lambda tf, x: tf.decode_json_example(x), ["{"])
