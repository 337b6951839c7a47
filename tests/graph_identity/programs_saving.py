"""Programs that save, restore and summarize."""


def _variables(tf):
    a = tf.Variable([[1.0, 2.0]], name="a")
    b = tf.get_variable("b", initializer=tf.constant(3), use_resource=True)
    tf.get_variable("p", shape=[5, 2], partitioner=tf.fixed_size_partitioner(2))
    with tf.variable_scope("r", use_resource=True):
        tf.get_variable("q", shape=[5, 2], partitioner=tf.fixed_size_partitioner(2))
    return a, b


def savers(tf):
    a, b = _variables(tf)
    tf.train.Saver()
    tf.train.Saver({"x": a, "y": b}, name="named", max_to_keep=1)
    tf.train.Saver([a], filename="somewhere/model")


def saver_of_the_older_format(tf):
    _variables(tf)
    tf.train.Saver(write_version=tf.train.SaverDef.V1)
    tf.train.Saver(write_version=tf.train.SaverDef.V1, sharded=True)


def saver_that_reshapes(tf):
    a, _ = _variables(tf)
    tf.train.Saver([a], reshape=True)
    tf.train.Saver([tf.Variable(tf.zeros([tf.placeholder_with_default(2, [])]), validate_shape=False)], reshape=True)


def summaries(tf):
    loss = tf.constant(0.5)
    tf.summary.scalar("loss", loss)
    tf.summary.scalar("bad tag!", loss, family="family")
    tf.summary.histogram("weights", tf.zeros([3]), collections=["mine"])
    with tf.name_scope("media"):
        tf.summary.image("image", tf.zeros([4, 2, 2, 3]), max_outputs=2)
        tf.summary.audio("audio", tf.zeros([2, 10]), 44100.0)
        tf.summary.text("text", tf.constant(["a"]))
        tf.summary.tensor_summary("tensor", tf.zeros([2]), summary_description="d", display_name="n")
    tf.summary.merge_all()
    tf.summary.merge_all("mine", name="merged")
    tf.summary.merge_all("none there")
    tf.summary.merge([tf.summary.scalar("a", 1.0), tf.summary.scalar("a", 2.0)], name="both")


def summaries_that_write(tf):
    writer = tf.contrib.summary.create_file_writer("logs", flush_millis=1000)
    with writer.as_default(), tf.contrib.summary.always_record_summaries():
        tf.contrib.summary.scalar("loss", tf.constant(0.5))
        with tf.name_scope("inner"):
            tf.contrib.summary.histogram("h", tf.zeros([2]), step=3)
    writer.close()
