"""Programs that read records and handle text."""


def _wanted(tf):
    return {
        "a b": tf.FixedLenFeature([2], tf.int64, [1, 2]),
        "b": tf.FixedLenFeature([], tf.string),
        "c": tf.FixedLenSequenceFeature([2], tf.float32, True, 1.0),
        "d": tf.FixedLenSequenceFeature([], tf.int64, True),
        "v": tf.VarLenFeature(tf.string),
        "dd": tf.io.FixedLenFeature([], tf.float32, default_value=2.0),
        "t": tf.FixedLenFeature([1], tf.float32, tf.constant([3.0])),
    }


def examples_parsed(tf):
    tf.parse_example(tf.placeholder(tf.string, [None]), _wanted(tf))
    tf.parse_example(tf.placeholder(tf.string), _wanted(tf))
    tf.io.parse_example(tf.placeholder(tf.string, [3]), _wanted(tf), "named", ["x", "y", "z"])


def single_examples_parsed(tf):
    tf.parse_single_example(tf.placeholder(tf.string, []), _wanted(tf))
    tf.io.parse_single_example(tf.placeholder(tf.string), _wanted(tf), name="named")
    tf.parse_single_example(tf.placeholder(tf.string), _wanted(tf), example_names="x")
    tf.parse_single_example(tf.placeholder(tf.string, []), {"v": tf.VarLenFeature(tf.int64)}, "named", "x")


def sparse_features_parsed(tf):
    features = {
        "s": tf.SparseFeature("i", "q", tf.float32, 10),
        "t": tf.SparseFeature(["i", "j"], "q", tf.float32, [10, 3], already_sorted=True),
    }
    tf.parse_example(tf.placeholder(tf.string, [None]), features)


def sequences_parsed(tf):
    context = {"a": tf.FixedLenFeature([2], tf.int64, [1, 2]), "v": tf.VarLenFeature(tf.string)}
    steps = {
        "c": tf.FixedLenSequenceFeature([2], tf.float32, True),
        "d": tf.FixedLenSequenceFeature([], tf.int64),
        "w": tf.VarLenFeature(tf.int64),
    }
    tf.parse_single_sequence_example(tf.placeholder(tf.string), context, steps)
    tf.parse_single_sequence_example(tf.placeholder(tf.string, []), None, steps, example_name="x", name="named")
    tf.io.parse_sequence_example(tf.placeholder(tf.string, [3]), context, steps)


def records_decoded(tf):
    x = tf.placeholder(tf.string, [None])
    tf.decode_raw(x, tf.uint8)
    tf.decode_raw(x, tf.float32, little_endian=False, name="named")
    tf.decode_csv(x, [[0], [0.5], ["s"], tf.constant([1], tf.int64)])
    tf.io.decode_csv(x, [[0.0]], field_delim=";", use_quote_delim=False, na_value="NA", select_cols=[2])
    tf.decode_json_example(x)
    tf.decode_compressed(x, "GZIP")
    tf.parse_tensor(x[0], tf.float32)
    tf.serialize_tensor(x)
    contents = tf.read_file(tf.constant("name"))
    tf.write_file("name", contents)
    tf.matching_files("*.txt")


def text_joined_and_split(tf):
    x = tf.placeholder(tf.string, [None, 2])
    row = tf.placeholder(tf.string, [None])
    tf.string_join([x, "a", row[0]], "-")
    tf.strings.join([row, row])
    tf.reduce_join(x, 1)
    tf.reduce_join(x)
    tf.strings.reduce_join(tf.placeholder(tf.string), separator=",", keepdims=True)
    tf.reduce_join(x, [0, 1], name="named")
    tf.strings.unsorted_segment_join(row, [0, 1], 2)
    tf.string_split(row)
    tf.string_split(row, ",", skip_empty=False)
    tf.string_split(["a b"], delimiter=" ")
    tf.strings.split(row)
    tf.strings.split(["a,b"], ",", 1)


def text_changed(tf):
    x = tf.placeholder(tf.string, [None, 2])
    tf.strings.lower(x)
    tf.strings.upper(x, encoding="utf-8")
    tf.string_strip(x)
    tf.strings.length(x)
    tf.strings.length(x, "named", "UTF8_CHAR")
    tf.substr(x, 1, 2)
    tf.strings.substr(x, [1, 2], [2, 1], unit="UTF8_CHAR")
    tf.regex_replace(x, "a", "b")
    tf.strings.regex_replace(x, tf.constant("a"), "b", replace_global=False)
    tf.strings.regex_full_match(x, "a.*")
    tf.strings.regex_full_match(x, tf.constant("a.*"), name="named")
    tf.encode_base64(x, pad=True)
    tf.decode_base64(x)
    tf.strings.format("{} {}", [x, tf.constant(1)])
    tf.strings.unicode_transcode(x, "UTF-8", "UTF-16-BE", errors="ignore")
    tf.strings.unicode_decode("text", "UTF-8")
    tf.strings.unicode_decode_with_offsets(tf.placeholder(tf.string, []), "UTF-8", "strict")
    tf.strings.unicode_script([97])


def text_and_numbers(tf):
    x = tf.placeholder(tf.string, [None, 2])
    tf.as_string(tf.constant([1.5]), precision=2, width=8, fill="0")
    tf.as_string([1, 2])
    tf.string_to_number(x)
    tf.strings.to_number(x, tf.int64, name="named")
    tf.string_to_hash_bucket(x, 5)
    tf.string_to_hash_bucket_fast(x, 5)
    tf.strings.to_hash_bucket_strong(x, 5, [1, 2])
    tf.fingerprint(x)
    tf.fingerprint(tf.placeholder(tf.float32), tf.placeholder(tf.string))
