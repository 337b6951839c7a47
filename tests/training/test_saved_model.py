"""SavedModels: written, loaded, refused."""

import pytest

import evergraph as tf

SERVING = [tf.saved_model.tag_constants.SERVING]


@pytest.fixture
def sess():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_simple_save_and_load(sess, tmp_path):
    x = tf.placeholder(tf.float32, [None], name="x")
    v = tf.Variable(2.0, name="v")
    y = tf.multiply(x, v, name="y")
    sess.run(tf.global_variables_initializer())
    folder = str(tmp_path / "model")
    tf.saved_model.simple_save(sess, folder, {"x": x}, {"y": y})
    assert tf.saved_model.loader.maybe_saved_model_directory(folder)
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"saved_model.pb", "variables"}
    for scope in None, "inner":
        with tf.Session(graph=tf.Graph()) as other:
            message = tf.saved_model.load(other, SERVING, folder, import_scope=scope)
            signature = message.signature_def[tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
            assert tf.saved_model.is_valid_signature(signature)
            get = tf.saved_model.utils.get_tensor_from_tensor_info
            inner = get(signature.inputs["x"], other.graph, scope)
            assert other.run(get(signature.outputs["y"], other.graph, scope), {inner: [3.0]}).tolist() == [6.0]
    with tf.Session(graph=tf.Graph()) as other:
        with pytest.raises(RuntimeError, match=r"(?s)associated with tags 'train' could not be found.*{'serve'}"):
            tf.saved_model.load(other, ["train"], folder)
        with pytest.raises(OSError, match="SavedModel file does not exist at: /no/such"):
            tf.saved_model.load(other, SERVING, "/no/such")
    with pytest.raises(AssertionError, match="already exists, and isn't empty"):
        tf.saved_model.builder.SavedModelBuilder(folder)


def test_graphs_share_variables_and_run_their_own_op(sess, tmp_path):
    asset = tmp_path / "words.txt"
    asset.write_text("hello")
    path = tf.constant(str(asset), name="path")
    tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, path)
    v = tf.Variable(1, name="v")
    read = tf.Variable(b"", name="read", collections=[])
    sess.run(tf.global_variables_initializer())
    builder = tf.saved_model.Builder(str(tmp_path / "model"))
    with pytest.raises(AssertionError, match="has not been saved yet"):
        builder.add_meta_graph(["again"])
    builder.add_meta_graph_and_variables(
        sess, ["train"], assets_collection=[path], main_op=tf.group(tf.assign(read, tf.read_file(path)))
    )
    with tf.Graph().as_default():
        tf.Variable(0, name="v")
        tf.identity(tf.constant(5), name="other")
        builder.add_meta_graph(SERVING, strip_default_attrs=True)
    with pytest.raises(AssertionError, match="has already been saved"):
        builder.add_meta_graph_and_variables(sess, ["train"])
    builder.save(as_text=True)
    asset.unlink()
    with tf.Session(graph=tf.Graph()) as other:
        tf.saved_model.load(other, ["train"], str(tmp_path / "model"))
        assert other.run(["v:0", "read:0"]) == [1, b"hello"]
    with tf.Session(graph=tf.Graph()) as other:
        tf.saved_model.load(other, SERVING, str(tmp_path / "model"))
        assert other.run(["v:0", "other:0"]) == [1, 5]
    assert v is not None


def test_signatures(tmp_path):
    with tf.Graph().as_default():
        text, number = tf.placeholder(tf.string, name="t"), tf.placeholder(tf.float32, [2], name="n")
        build = tf.saved_model.signature_def_utils
        regression = build.regression_signature_def(text, number)
        assert regression.method_name == tf.saved_model.REGRESS_METHOD_NAME
        assert regression.outputs["outputs"].tensor_shape.dim[0].size == 2
        classification = build.classification_signature_def(text, None, number)
        assert list(classification.outputs) == ["scores"]
        for signature in regression, classification, build.predict_signature_def({"a": text}, {"b": number}):
            assert build.is_valid_signature(signature)
        assert not build.is_valid_signature(build.build_signature_def(method_name="other"))
        for wrong in (
            lambda: build.regression_signature_def(number, number),
            lambda: build.classification_signature_def(text, None, None),
            lambda: build.predict_signature_def({}, {"b": number}),
        ):
            with pytest.raises(ValueError):
                wrong()
        sparse = tf.sparse_placeholder(tf.int64, name="s")
        info = tf.saved_model.build_tensor_info(sparse)
        assert info.coo_sparse.values_tensor_name == "s/values:0"
        assert tf.saved_model.get_tensor_from_tensor_info(info).indices.name == "s/indices:0"
        builder_error = tf.TensorInfo(name="n:0")
        with pytest.raises(AssertionError, match="must have the dtype field set"):
            tf.saved_model.Builder(str(tmp_path))._checked({"k": build.build_signature_def({"x": builder_error})})


def test_assets_of_one_name_are_told_apart(tmp_path):
    from evergraph.training.saved_model.assets import get_asset_filename_to_add

    for folder, text in ("a", "one"), ("b", "two"), ("c", "one"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "f").write_text(text)
    a, b, c = (str(tmp_path / folder / "f") for folder in "abc")
    assert get_asset_filename_to_add(a, {}) == "f"
    assert get_asset_filename_to_add(b, {"f": a}) == "f_1"
    assert get_asset_filename_to_add(c, {"f": a}) == "f"
