"""Programs on the graph itself: placeholders, names, scopes, devices, control inputs, collections, import."""


def placeholders(tf):
    tf.placeholder(tf.float32)
    tf.placeholder(tf.float32, [])
    tf.placeholder(tf.float32, [None, 784], name="images")
    tf.placeholder(tf.int64, shape=(None,), name="labels")
    tf.placeholder("string", name="files")
    tf.placeholder(tf.bool, name="images")
    tf.placeholder(tf.float32, tf.TensorShape([None, 2]))
    tf.placeholder(tf.float32, 3)
    rate = tf.placeholder_with_default(0.5, [], name="rate")
    tf.placeholder_with_default([[1, 2]], [None, 2])
    tf.placeholder_with_default(tf.zeros([2]), None, name="any")
    sparse = tf.sparse_placeholder(tf.float32, name="sparse")
    tf.sparse_placeholder(tf.float32, shape=[3, 4])
    rate * 2
    sparse.dense_shape + 1


def name_scopes(tf):
    with tf.name_scope("outer") as outer:
        tf.constant(1, name="a")
        with tf.name_scope("inner"):
            tf.constant(2, name="a")
            tf.constant(3)
        with tf.name_scope("inner"):
            tf.constant(4)
        with tf.name_scope(None):
            tf.constant(5, name="root")
        with tf.name_scope("inner/deep"):
            tf.constant(6)
    with tf.name_scope("outer"):
        tf.constant(7, name="a")
    with tf.name_scope(outer):
        tf.constant(8, name="a")
        tf.constant(9, name="b")
    with tf.name_scope("outer/"):
        tf.constant(10, name="b")
    with tf.name_scope(""):
        tf.constant(11, name="root")
    with tf.name_scope(None, "fallback"):
        tf.constant(12)
    with tf.name_scope("given", "fallback", [1.0]) as scope:
        tf.constant(13, name=scope)
    with tf.name_scope("x.y-z"):
        tf.constant(14)


def names_made_unique(tf):
    g = tf.get_default_graph()
    for _ in range(3):
        tf.constant(1.0, name="c")
    tf.constant(1.0, name="c_1")
    tf.constant(1.0, name="C")
    tf.identity(g.get_tensor_by_name("c:0"), name="a/b/c")
    tf.constant(2.0, name="a")
    tf.constant(2.0, name="a/b")
    with tf.name_scope("a"):
        tf.constant(3.0, name="b")
    g.unique_name("reserved")
    tf.constant(4.0, name="reserved")
    g.unique_name("only_asked", mark_as_used=False)
    tf.constant(5.0, name="only_asked")
    tf.constant(6.0, name="absolute/")
    tf.no_op(name="c")
    tf.add(tf.constant(1), 2, name="sum/")


def control_dependencies(tf):
    a = tf.constant(1.0, name="a")
    b = tf.constant(2.0, name="b")
    step = tf.no_op("step")
    with tf.control_dependencies([a, step]):
        tf.constant(3.0, name="after_both")
        c = tf.identity(a, name="uses_a")
        tf.add(a, b, name="sum")
        with tf.control_dependencies([b.op]):
            tf.add(c, 1.0, name="nested")
            tf.no_op("three")
        with tf.control_dependencies(None):
            tf.constant(4.0, name="free")
        with tf.control_dependencies([a]):
            tf.constant(5.0, name="same_again")
    with tf.control_dependencies([]):
        tf.constant(6.0, name="none")
    with tf.control_dependencies([c]):
        d = tf.identity(b, name="d")
        tf.multiply(d, c, name="d_is_already_after_c")
    v = tf.Variable(1.0, name="v")
    with tf.control_dependencies([v]):
        tf.identity(v, name="after_v")
    with tf.get_default_graph().control_dependencies([tf.group(a, b)]):
        tf.identity(a, name="after_group")


def devices(tf):
    with tf.device("/cpu:0"):
        a = tf.constant(1.0, name="a")
        with tf.device("/job:worker/task:1"):
            tf.constant(2.0, name="merged")
            with tf.device(None):
                tf.constant(3.0, name="nowhere")
        with tf.device("/gpu:1"):
            tf.constant(4.0, name="replaced")
    with tf.device("/job:ps/task:0/device:GPU:3"):
        v = tf.Variable([1.0], name="v")
        w = tf.get_variable("w", [2])
    with tf.device(lambda op: "/cpu:1" if op.type == "Const" else "/gpu:0"):
        tf.constant(5.0, name="by_function") + 1
        with tf.device("/task:2"):
            tf.constant(6.0, name="function_outside")
    with tf.get_default_graph().device("cpu:0"):
        tf.identity(a, name="short")
    with tf.device("/job:localhost/replica:0/task:0/device:CPU:0"):
        tf.identity(w, name="complete")
    v + 1.0


def colocation(tf):
    with tf.device("/cpu:0"):
        a = tf.constant(1.0, name="a")
    b = tf.constant(2.0, name="b")
    with tf.colocate_with(a):
        tf.constant(3.0, name="with_a")
        with tf.colocate_with(b):
            c = tf.constant(4.0, name="with_both")
        with tf.colocate_with(b, ignore_existing=True):
            tf.constant(5.0, name="with_b")
        with tf.colocate_with(None, ignore_existing=True):
            tf.constant(6.0, name="with_none")
        with tf.device("/gpu:0"):
            tf.constant(7.0, name="device_inside")
    with tf.device("/gpu:0"), tf.colocate_with(a.op):
        tf.constant(8.0, name="device_outside")
    with tf.colocate_with(c):
        tf.constant(9.0, name="transitive")
    with tf.colocate_with(tf.Variable(1.0, name="v")):
        tf.constant(10.0, name="with_v")


def collections(tf):
    a = tf.constant(1.0, name="a")
    tf.add_to_collection("mine", a)
    tf.add_to_collection("mine", 3)
    tf.add_to_collections(["mine", "yours"], a.op)
    tf.get_collection_ref("by_reference").append(a)
    tf.add_to_collection(tf.GraphKeys.LOSSES, tf.identity(a, name="loss"))
    with tf.name_scope("tower"):
        tf.add_to_collection("mine", tf.identity(a, name="b"))
    tf.add_n(tf.get_collection("mine", scope="tower"))
    tf.Variable(1.0, name="global")
    tf.Variable(1.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    tf.Variable(1.0, name="frozen", trainable=False)
    tf.get_variable("nowhere", [1], collections=["special"])
    tf.get_local_variable("local_too", [1])
    tf.train.get_or_create_global_step()
    tf.global_variables_initializer()
    tf.local_variables_initializer()
    tf.variables_initializer(tf.trainable_variables(), name="init_trainable")
    tf.variables_initializer([])


def grouping_and_passing(tf):
    a = tf.constant(1.0, name="a")
    b = tf.constant(2.0, name="b")
    tf.group()
    tf.group(a, b)
    tf.group([a.op, b], name="both")
    with tf.device("/cpu:0"):
        c = tf.constant(3.0, name="c")
    tf.group(a, c, name="two_devices")
    tf.tuple([a, b])
    tf.tuple([a, None, c], control_inputs=[b], name="gated")
    tf.identity(a)
    tf.identity_n([a, b])
    tf.no_op()
    tf.stop_gradient(a, name="stopped")
    tf.check_numerics(a, "a is bad")
    tf.Print(a, [a, b], "values: ", summarize=3)
    tf.guarantee_const(a)


def import_graph_def(tf):
    with tf.Graph().as_default() as other:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.constant([[1.0], [2.0]], name="w")
        with tf.control_dependencies([tf.no_op("ready")]):
            tf.matmul(x, w, name="y")
        with tf.colocate_with(w), tf.device("/cpu:0"):
            tf.constant(1.0, name="near_w")
    definition = other.as_graph_def()
    tf.constant(0.0, name="import/taken")
    tf.import_graph_def(definition)
    tf.import_graph_def(definition, name="again")
    tf.import_graph_def(definition, name="again")
    mine = tf.placeholder(tf.float32, [3, 2], name="mine")
    (y,) = tf.import_graph_def(definition, input_map={"x:0": mine}, return_elements=["y:0"], name="mapped")
    y * 2.0
    tf.import_graph_def(definition, input_map={"x": mine, "w": tf.ones([2, 5])}, name="both")
    (op,) = tf.import_graph_def(definition, return_elements=["y"], name="op")
    tf.identity(op.outputs[0], name="from_op")
    with tf.name_scope("scope"), tf.device("/job:w"):
        tf.import_graph_def(definition, name="inside")
    tf.import_graph_def(definition, name="")
