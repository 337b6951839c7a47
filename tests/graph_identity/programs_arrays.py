"""Programs that make and rearrange tensors: constants, slices, shapes, gathers, sparse tensors, strings."""

import numpy as np


def constants_from_python(tf):
    tf.constant(1)
    tf.constant(-2.5)
    tf.constant(True)
    tf.constant("text")
    tf.constant(b"\x00\xff")
    tf.constant("caf\u00e9")
    tf.constant(1 + 2j)
    tf.constant([])
    tf.constant([1, 2, 3])
    tf.constant([[1.0, 2.0], [3.0, 4.0]])
    tf.constant(["a", "bc"])
    tf.constant((1, 2))
    tf.constant([True, False])
    tf.constant(2**40)
    tf.constant(7, dtype=tf.float32)
    tf.constant(7, dtype=tf.int64)
    tf.constant(1, dtype=tf.uint8)
    tf.constant(0.5, dtype=tf.float16)
    tf.constant(0.0, shape=[2, 3])
    tf.constant([1, 2], shape=[2, 2], name="repeats_the_last")
    tf.constant([1, 2, 3, 4, 5, 6], shape=[2, 3], name="named")
    tf.constant(float("inf"))
    tf.constant(float("nan"), dtype=tf.float64)


def constants_from_numpy(tf):
    for dtype in ("float16 float32 float64 int8 int16 int32 int64 uint8 uint16 bool complex64 complex128").split():
        tf.constant(np.array([0, 1], dtype=dtype), name=dtype)
    tf.constant(np.float32(3))
    tf.constant(np.int64(3))
    tf.constant(np.arange(100, dtype=np.float32).reshape(10, 10), name="large")
    tf.constant(np.zeros([0, 4], np.float32), name="empty")
    tf.constant(np.zeros([3, 4], np.float32), name="zeros")
    tf.constant(np.array(["x", "yz"]), name="unicode")
    tf.constant(np.array([b"x", b"yz"], dtype=object), name="objects")
    tf.constant(np.arange(6).reshape(2, 3).T, name="not_contiguous")
    tf.convert_to_tensor([1, 2], dtype=tf.float32)
    tf.convert_to_tensor(np.eye(2), name="converted")
    tf.convert_to_tensor([tf.constant(1.0), 2.0], name="packed")
    tf.convert_to_tensor([[tf.constant(1), 2], [3, tf.constant(4)]])


def fills_and_ranges(tf):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    known = tf.constant([[1, 2], [3, 4]])
    tf.zeros([2, 3])
    tf.zeros([])
    tf.zeros([2], tf.int32)
    tf.zeros([2], tf.bool)
    tf.zeros([2], tf.string)
    tf.ones([2, 3], dtype=tf.float64)
    tf.zeros([100, 100])
    tf.zeros(tf.shape(x))
    tf.ones(tf.stack([tf.shape(x)[0], 4]))
    tf.ones([4, tf.shape(x)[0]], name="ones_of_list")
    tf.zeros_like(x)
    tf.zeros_like(known)
    tf.zeros_like(known, dtype=tf.float32)
    tf.zeros_like(x, optimize=False)
    tf.ones_like(x)
    tf.ones_like(known)
    tf.ones_like([1.0, 2.0])
    tf.fill([2, 3], 7.0)
    tf.fill([tf.shape(x)[0]], 1)
    tf.range(5)
    tf.range(1, 10, 3)
    tf.range(0.0, 1.0, 0.25)
    tf.range(tf.shape(x)[0])
    tf.range(tf.constant(3, tf.int64))
    tf.range(3, dtype=tf.float32)
    tf.linspace(0.0, 1.0, 5)
    tf.lin_space(0.0, 1.0, 5, name="lin")
    tf.eye(3)
    tf.eye(2, 3, batch_shape=[4])
    tf.eye(tf.shape(x)[0])


def strided_slices(tf):
    x = tf.placeholder(tf.float32, [4, 5, 6], name="x")
    unknown = tf.placeholder(tf.float32, name="unknown")
    i = tf.placeholder(tf.int32, [], name="i")
    x[0]
    x[-1]
    x[1:3]
    x[:]
    x[1, 2, 3]
    x[:, 0]
    x[:, :, -1]
    x[..., 1]
    x[1, ...]
    x[1:, ..., :-1]
    x[:, tf.newaxis]
    x[None]
    x[tf.newaxis, ..., tf.newaxis]
    x[::2, ::-1]
    x[3:0:-2, 1:4:2, ::3]
    x[i]
    x[i : i + 2]
    x[:, i, 1:i]
    x[np.int64(2)]
    x[tf.constant(1, tf.int64)]
    x[0][1][2]
    unknown[0]
    unknown[..., 0:2]
    unknown[:, None, 3]
    tf.shape(unknown)[0]
    tf.shape(x)[1:]
    x[:10]
    x[2:2]
    tf.slice(x, [0, 1, 2], [-1, 2, 3])
    tf.slice(x, [i, 0, 0], [1, 5, 6], name="cut")
    tf.strided_slice(x, [0, 1], [2, 3])
    tf.strided_slice(x, [0, 0, 0], [4, 5, 6], [1, 2, 3], begin_mask=1, end_mask=2, shrink_axis_mask=4)


def reshaping(tf):
    x = tf.placeholder(tf.float32, [2, 3, 4], name="x")
    batch = tf.placeholder(tf.float32, [None, 28, 28], name="batch")
    unknown = tf.placeholder(tf.float32, name="unknown")
    tf.reshape(x, [6, 4])
    tf.reshape(x, [-1])
    tf.reshape(batch, [-1, 784])
    tf.reshape(unknown, [-1, 2, 2])
    tf.reshape(batch, [tf.shape(batch)[0], 784])
    tf.reshape(x, tf.shape(unknown))
    tf.reshape(x, tf.stack([-1, 4]))
    tf.transpose(x)
    tf.transpose(x, [2, 0, 1])
    tf.transpose(unknown)
    tf.transpose(unknown, perm=[1, 0])
    tf.transpose(x, conjugate=True)
    tf.expand_dims(x, 0)
    tf.expand_dims(x, axis=-1)
    tf.expand_dims(x, dim=1)
    tf.squeeze(tf.ones([1, 2, 1]))
    tf.squeeze(tf.ones([1, 2, 1]), [0])
    tf.squeeze(tf.ones([1, 2, 1]), squeeze_dims=[2])
    tf.shape(x)
    tf.shape(batch)
    tf.shape(x, out_type=tf.int64)
    tf.shape_n([x, batch])
    tf.size(x)
    tf.size(batch)
    tf.rank(x)
    tf.rank(unknown)
    tf.reverse(x, [0])
    tf.roll(x, shift=1, axis=0)
    known = tf.placeholder_with_default(tf.zeros([2, 2]), [None, None])
    known.set_shape([2, None])
    known * 1.0
    tf.ensure_shape(unknown, [None, 3])


def joining_and_splitting(tf):
    x = tf.placeholder(tf.float32, [4, 6], name="x")
    batch = tf.placeholder(tf.float32, [None, 6], name="batch")
    axis = tf.placeholder(tf.int32, [], name="axis")
    tf.concat([x, batch], 0)
    tf.concat([x, x, x], axis=-1)
    tf.concat([x], 1)
    tf.concat([x, x], axis)
    tf.concat(values=[x, tf.zeros([4, 1])], axis=1, name="join")
    tf.stack([x, x])
    tf.stack([1, 2, tf.shape(batch)[0]])
    tf.stack([x, x], axis=-1, name="layers")
    tf.unstack(x)
    tf.unstack(x, axis=1)
    tf.unstack(batch, num=3, axis=0)
    tf.split(x, 2)
    tf.split(x, 3, axis=1)
    tf.split(x, [1, 2, 3], axis=1)
    tf.split(value=batch, num_or_size_splits=2, axis=1, name="halves")
    tf.split(x, [-1, 2], 1)
    tf.tile(x, [1, 2])
    tf.tile(x, tf.stack([2, tf.shape(batch)[0]]))
    tf.pad(x, [[1, 1], [0, 2]])
    tf.pad(x, [[1, 1], [0, 2]], constant_values=9.0)
    tf.pad(x, tf.constant([[1, 1], [2, 2]]), "REFLECT")
    tf.pad(x, [[1, 1], [2, 2]], mode="SYMMETRIC")
    tf.meshgrid(tf.range(2), tf.range(3))
    tf.meshgrid([1.0, 2.0], [3.0], indexing="ij")
    tf.parallel_stack([tf.ones([2]), tf.zeros([2])])
    tf.repeat([1, 2, 3], 2)


def gathering(tf):
    params = tf.placeholder(tf.float32, [10, 4], name="params")
    ids = tf.placeholder(tf.int32, [None], name="ids")
    tf.gather(params, [1, 2])
    tf.gather(params, ids)
    tf.gather(params, ids, axis=1)
    tf.gather(params, tf.constant(3, tf.int64), name="one")
    tf.gather_nd(params, [[0, 1], [2, 3]])
    tf.batch_gather(tf.ones([2, 3]), [[0], [1]])
    tf.one_hot(ids, 10)
    tf.one_hot(ids, 10, on_value=1.0, off_value=-1.0, axis=0)
    tf.one_hot([0, 1], depth=3, dtype=tf.int32)
    tf.where(params > 0)
    tf.where(params > 0, params, tf.zeros_like(params))
    tf.boolean_mask(params, params[:, 0] > 0)
    tf.boolean_mask([1, 2, 3], [True, False, True])
    tf.sequence_mask(ids, 5)
    tf.sequence_mask([1, 3])
    tf.nn.top_k(params, 2)
    tf.nn.in_top_k(params, tf.zeros([10], tf.int32), 3)
    tf.unique(ids)
    tf.unique_with_counts(ids)
    tf.setdiff1d(ids, [1, 2])
    tf.invert_permutation([2, 0, 1])
    tf.searchsorted([1.0, 2.0, 3.0], [1.5])
    tf.sort(params, direction="DESCENDING")
    tf.argsort(params)
    tf.reverse_sequence(params, tf.ones([10], tf.int64), seq_axis=1, batch_axis=0)


def scattering(tf):
    data = tf.placeholder(tf.float32, [None, 4], name="data")
    ids = tf.placeholder(tf.int32, [None], name="ids")
    tf.scatter_nd([[1], [3]], [9.0, 10.0], [5])
    tf.tensor_scatter_update(tf.ones([4]), [[0]], [5.0])
    tf.dynamic_partition(data, ids, 2)
    tf.dynamic_stitch([[0, 2], [1]], [[1.0, 3.0], [2.0]])
    tf.segment_sum(data, ids)
    tf.segment_mean(data, ids)
    tf.segment_max(data, ids)
    tf.unsorted_segment_sum(data, ids, 3)
    tf.unsorted_segment_mean(data, ids, 3)
    tf.unsorted_segment_max(data, ids, num_segments=3)
    tf.sparse_segment_sum(data, [0, 1], [0, 0])
    tf.histogram_fixed_width(data, [0.0, 1.0], nbins=4)
    tf.space_to_depth(tf.ones([1, 4, 4, 1]), 2)
    tf.depth_to_space(tf.ones([1, 2, 2, 4]), 2)
    tf.space_to_batch_nd(tf.ones([1, 4, 4, 1]), [2, 2], [[0, 0], [0, 0]])
    tf.batch_to_space_nd(tf.ones([4, 2, 2, 1]), [2, 2], [[0, 0], [0, 0]])
    tf.extract_image_patches(tf.ones([1, 5, 5, 1]), [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")


def sparse_tensors(tf):
    s = tf.SparseTensor(indices=[[0, 1], [2, 3]], values=[1.0, 2.0], dense_shape=[3, 4])
    dense = tf.placeholder(tf.float32, [4, 2], name="dense")
    tf.sparse_tensor_dense_matmul(s, dense)
    tf.sparse_tensor_to_dense(s)
    tf.sparse_to_dense([1, 2], [4], 1.0)
    tf.sparse_reorder(s)
    tf.sparse_reshape(s, [4, 3])
    tf.sparse_reduce_sum(s, 1)
    tf.sparse_retain(s, [True, False])
    tf.sparse_concat(0, [s, s])
    tf.sparse_add(s, s)
    s * tf.ones([3, 4])
    s / tf.ones([3, 4])


def strings(tf):
    s = tf.placeholder(tf.string, [None], name="s")
    tf.string_join([s, "suffix"], separator="-")
    tf.as_string([1, 2])
    tf.as_string(tf.constant(1.5), precision=2)
    tf.string_to_number(s)
    tf.string_to_number(s, tf.int32)
    tf.substr(s, 0, 2)
    tf.regex_replace(s, "a", "b")
    tf.strings.regex_full_match(s, ".*x")
    tf.strings.length(s)
    tf.strings.split(s, ",").values
    tf.string_split(s, "/")
    tf.reduce_join(s, 0)
    tf.decode_raw(s, tf.uint8)
    tf.encode_base64(s)
    tf.string_to_hash_bucket_fast(s, 100)
    tf.strings.strip(s)
    s + "tail"
