"""What is refused: while a graph is built, while a GraphDef is imported, and while a graph runs."""

from session.outcome import fails

# ---- while a graph is built


@fails("Dimensions must be equal")
def matmul_of_shapes_that_do_not_fit(tf):
    tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))


@fails("Dimensions must be equal")
def add_shapes_that_do_not_fit(tf):
    tf.ones([2, 3]) + tf.ones([4])


@fails("Shape must be rank 2 but is rank 1")
def matmul_of_vectors(tf):
    tf.matmul(tf.ones([2]), tf.ones([2]))


@fails("that does not match type float32")
def add_an_int_tensor_to_a_float_tensor(tf):
    tf.constant(1.0) + tf.constant(1)


@fails("that does not match type float32")
def multiply_float_and_double(tf):
    tf.multiply(tf.constant(1.0), tf.constant(1.0, tf.float64))


@fails("has DataType int32 not in list of allowed values")
def softmax_of_ints(tf):
    tf.nn.softmax(tf.constant([1, 2]))


@fails("Expected int32, got 1.5 of type 'float'")
def float_constant_as_int(tf):
    tf.constant(1.5, tf.int32)


@fails("type string that does not match type float32")
def add_a_string_to_a_float(tf):
    tf.constant(1.0) + "text"


@fails("Expected float32, got 'text' of type 'str'")
def string_where_a_float_is_expected(tf):
    tf.constant("text", tf.float32)


@fails("Failed to convert object of type")
def mixed_list_as_constant(tf):
    tf.constant(["a", 1])


@fails("Too many elements provided")
def constant_with_too_many_values(tf):
    tf.constant([1, 2, 3], shape=[2])


@fails("None values not supported")
def constant_of_none(tf):
    tf.constant(None)


@fails("Cannot reshape a tensor with 6 elements to shape [4]")
def reshape_to_another_size(tf):
    tf.reshape(tf.ones([2, 3]), [4])


@fails("in both shapes must be equal")
def concat_shapes_that_do_not_fit(tf):
    tf.concat([tf.ones([2, 3]), tf.ones([2, 4])], 0)


@fails("in both shapes must be equal")
def stack_shapes_that_do_not_fit(tf):
    tf.stack([tf.ones([2]), tf.ones([3])])


@fails("out of bounds")
def index_out_of_bounds(tf):
    tf.ones([3])[5]


@fails("Index out of range")
def too_many_indices(tf):
    tf.ones([3])[0, 0]


@fails("Can not squeeze dim[0]")
def squeeze_what_is_not_one(tf):
    tf.squeeze(tf.ones([2, 1]), [0])


@fails("must be evenly divisible")
def split_unevenly(tf):
    tf.split(tf.ones([5]), 2)


@fails("Dimension must be 2 but is 3")
def transpose_with_a_wrong_permutation(tf):
    tf.transpose(tf.ones([2, 3]), [0, 1, 2])


@fails("in both shapes must be equal")
def set_an_incompatible_shape(tf):
    tf.ones([2, 3]).set_shape([3, 2])


@fails("as_list() is not defined on an unknown TensorShape")
def list_an_unknown_shape(tf):
    tf.placeholder(tf.float32).get_shape().as_list()


@fails("a `tf.Tensor` as a Python `bool` is not allowed")
def tensor_as_a_condition(tf):
    if tf.constant(True):
        pass


@fails("iterating over `tf.Tensor` is not allowed")
def iterate_over_a_tensor(tf):
    list(tf.constant([1, 2]))


@fails("must be from the same graph")
def mix_two_graphs(tf):
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    tf.add(tf.constant(1.0), foreign)


@fails("is not a valid node name")
def bad_op_name(tf):
    tf.constant(1, name="not valid!")


@fails("is not a valid scope name")
def bad_scope_name(tf):
    with tf.name_scope("a b"):
        pass


@fails("refers to a Tensor which does not exist")
def get_an_unknown_tensor(tf):
    tf.get_default_graph().get_tensor_by_name("x:0")


@fails("names must be of the form")
def get_a_tensor_without_its_output_number(tf):
    tf.constant(1, name="x")
    tf.get_default_graph().get_tensor_by_name("x")


@fails("refers to an Operation not in the graph")
def get_an_unknown_operation(tf):
    tf.get_default_graph().get_operation_by_name("x")


@fails("has no attr named")
def get_an_unknown_attribute(tf):
    tf.constant(1).op.get_attr("nothing")


@fails("Variable v already exists, disallowed")
def get_a_variable_twice(tf):
    tf.get_variable("v", [1])
    tf.get_variable("v", [1])


@fails("does not exist, or was not created with tf.get_variable()")
def reuse_a_variable_that_is_not_there(tf):
    with tf.variable_scope("scope", reuse=True):
        tf.get_variable("v", [1])


@fails("Trying to share variable v, but specified shape (3,) and found shape (2,)")
def reuse_a_variable_with_another_shape(tf):
    tf.get_variable("v", [2])
    with tf.variable_scope("", reuse=True):
        tf.get_variable("v", [3])


@fails("Trying to share variable v, but specified dtype")
def reuse_a_variable_with_another_dtype(tf):
    tf.get_variable("v", [2])
    with tf.variable_scope("", reuse=True):
        tf.get_variable("v", [2], dtype=tf.float64)


@fails("fully defined")
def variable_without_a_full_shape(tf):
    tf.get_variable("v", [None, 2])


@fails("fully defined")
def variable_without_a_shape(tf):
    tf.get_variable("v")


@fails("do not specify shape")
def variable_with_a_shape_and_a_constant(tf):
    tf.get_variable("v", [2], initializer=tf.ones([2]))


@fails("initial_value must be specified")
def variable_without_a_value(tf):
    tf.Variable()


@fails("initial_value must have a shape specified")
def variable_from_an_unknown_shape(tf):
    tf.Variable(tf.placeholder(tf.float32))


@fails("in both shapes must be equal")
def assign_the_wrong_shape(tf):
    tf.Variable([1.0, 2.0]).assign([1.0, 2.0, 3.0])


@fails("No gradients provided for any variable")
def minimize_what_depends_on_no_variable(tf):
    tf.Variable(1.0)
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))


@fails("No variables to optimize")
def minimize_without_variables(tf):
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))


@fails("No gradient defined for operation")
def gradient_of_an_op_without_one(tf):
    x = tf.constant([1.0, 2.0])
    tf.gradients(tf.unique(x)[0], x)


@fails("with named arguments")
def cross_entropy_without_names(tf):
    tf.nn.softmax_cross_entropy_with_logits(tf.ones([1, 2]), tf.ones([1, 2]))


@fails("Rank mismatch")
def sparse_cross_entropy_of_wrong_ranks(tf):
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([2, 3], tf.int32), logits=tf.ones([2, 3]))


@fails("Depth of input (3) is not a multiple of input depth of filter (4)")
def convolution_of_wrong_channels(tf):
    tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 4, 8]), [1, 1, 1, 1], "SAME")


@fails("'same' not in")
def convolution_with_a_wrong_padding(tf):
    tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 3, 8]), [1, 1, 1, 1], "same")


@fails("rate must be a scalar tensor or a float in the range [0, 1)")
def dropout_of_everything(tf):
    tf.nn.dropout(tf.ones([2]), keep_prob=0.0)


@fails("expected Tensor arguments not '1'")
def group_what_is_no_op(tf):
    tf.group([1])


@fails("Expected tf.group()")
def group_a_string(tf):
    tf.group("text")


# ---- while a GraphDef is imported


def _definition(tf, *nodes):
    definition = tf.GraphDef()
    for name, op, inputs in nodes:
        node = definition.node.add(name=name, op=op, input=inputs)
        if op == "Identity":
            node.attr["T"].type = tf.float32.as_datatype_enum
        if op in ("Placeholder", "Const"):
            node.attr["dtype"].type = tf.float32.as_datatype_enum
    return definition


@fails("graph_def must be a GraphDef proto")
def import_what_is_no_graph_def(tf):
    tf.import_graph_def("text")


@fails("Error parsing message")
def parse_a_truncated_graph_def(tf):
    tf.constant([1.0, 2.0], name="some_constant")
    tf.GraphDef.FromString(tf.get_default_graph().as_graph_def().SerializeToString()[:-3])


@fails("Op type not registered 'NoSuchOp'")
def import_an_unknown_op(tf):
    tf.import_graph_def(_definition(tf, ("a", "NoSuchOp", [])))


@fails("Unknown input node")
def import_with_an_input_missing(tf):
    tf.import_graph_def(_definition(tf, ("a", "Identity", ["nowhere"])))


@fails("Unknown input node")
def import_with_a_control_input_missing(tf):
    tf.import_graph_def(_definition(tf, ("a", "NoOp", ["^nowhere"])))


@fails("cycle")
def import_a_cycle(tf):
    tf.import_graph_def(_definition(tf, ("a", "Identity", ["b"]), ("b", "Identity", ["a"])))


@fails("expected")
def import_with_too_many_inputs(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", []), ("a", "Identity", ["x", "x"])))


@fails("'dtype'")
def import_with_an_attribute_missing(tf):
    definition = _definition(tf, ("x", "Placeholder", []))
    del definition.node[0].attr["dtype"]
    tf.import_graph_def(definition)


@fails("'x'")
def import_a_name_twice(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", []), ("x", "Placeholder", [])))


@fails("Attempted to map inputs that were not found in graph_def: [foo:0]")
def import_with_an_unknown_input_mapped(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), input_map={"foo:0": tf.constant(1.0)})


@fails("'foo' not found")
def import_and_return_an_unknown_element(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), return_elements=["foo"])


@fails("incompatible with expected float")
def import_with_an_input_of_the_wrong_type(tf):
    definition = _definition(tf, ("x", "Placeholder", []), ("a", "Identity", ["x"]))
    definition.node[0].attr["dtype"].type = tf.int32.as_datatype_enum
    tf.import_graph_def(definition)


@fails("Invalid return output 1 of node 'x', which has 1 output(s)")
def import_and_return_an_output_that_a_node_has_not(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), return_elements=["x:1"])


@fails("Requested return tensor 'y:0' not found in graph def")
def import_and_return_a_tensor_of_no_node(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), return_elements=["y:0"])


@fails("Cannot convert 'x:y:0' to a tensor name.")
def import_and_return_what_is_no_name(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), return_elements=["x:y:0"])


@fails("Attempted to map inputs that were not found in graph_def: [x:2]")
def import_with_an_output_mapped_that_a_node_has_not(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), input_map={"x:2": tf.constant(1.0)})


@fails("requires a non-empty `name` if `input_map` contains non-Tensor values")
def import_without_a_name_and_a_variable_mapped(tf):
    tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), input_map={"x:0": tf.Variable(1.0)}, name="")


@fails("GraphDef min consumer version 1000 above current version 134")
def import_of_a_later_version(tf):
    definition = _definition(tf, ("x", "Placeholder", []))
    definition.versions.min_consumer = 1000
    tf.import_graph_def(definition)


@fails("NodeDef expected inputs 'float' do not match 0 inputs specified")
def import_with_too_few_inputs(tf):
    tf.import_graph_def(_definition(tf, ("y", "Identity", [])))


def import_under_the_name_of_a_scope(tf):
    with tf.name_scope("x"):
        tf.constant(1.0)
    found = [
        tf.import_graph_def(_definition(tf, ("x", "Placeholder", [])), return_elements=["x"], name="") for _ in "ab"
    ]
    return [op.name for (op,) in found]


def import_what_another_graph_exported(tf):
    with tf.Graph().as_default() as other:
        tf.add(tf.placeholder(tf.float32, [None], name="x"), [1.0, 2.0], name="y")
    (y,) = tf.import_graph_def(
        other.as_graph_def(), return_elements=["y:0"], input_map={"x:0": tf.constant([1.0, 1.0])}
    )
    with tf.Session() as sess:
        return [y.name, sess.run(y), sess.run("import/y:0", {"import/x:0": [5.0, 5.0]})]
