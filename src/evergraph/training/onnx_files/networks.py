"""Products, convolutions, pooling, normalisation and softmax as ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.training.onnx_files.writer import Dilated, NotMapped, Writer, entries, maps, rank_of


@maps("MatMul")
def matmul(w: Writer, op: Operation) -> Any:
    flips = int(op.attrs["transpose_a"]), int(op.attrs["transpose_b"])
    if any(flips) and op.inputs[0].dtype.is_floating:
        return w.node("Gemm", w.names(op), transA=flips[0], transB=flips[1])
    names = [w.node("Transpose", [n], perm=(1, 0)) if flip else n for n, flip in zip(w.names(op), flips)]
    return w.node("MatMul", names)


@maps("BatchMatMul", "BatchMatMulV2")
def batch_matmul(w: Writer, op: Operation) -> Any:
    names = []
    for t, flip in zip(op.inputs, (op.attrs["adj_x"], op.attrs["adj_y"])):
        rank = rank_of(t)
        perm = (*range(rank - 2), rank - 1, rank - 2)
        names.append(w.node("Transpose", [w.name(t)], perm=perm) if flip else w.name(t))
    return w.node("MatMul", names)


@maps("Softmax", "LogSoftmax")
def softmax(w: Writer, op: Operation) -> Any:
    return w.node(op.type, w.names(op), axis=-1)


class Images:
    """How a windowed op treats its images."""

    def __init__(self, w: Writer, op: Operation) -> None:
        self.w, self.op = w, op
        layout = op.attrs.get("data_format", b"NHWC")
        if layout not in (b"NHWC", b"NCHW"):
            raise NotMapped(f"data_format {layout.decode()}")
        self.last = layout == b"NHWC"

    def two(self, attr: str) -> list[int]:
        """The entries of an attribute for height and width."""
        values = list(self.op.attrs.get(attr) or (1, 1, 1, 1))
        if (values[0], values[3 if self.last else 1]) != (1, 1):
            raise NotMapped(f"{attr} {values}")
        return [int(v) for v in (values[1:3] if self.last else values[2:4])]

    def input(self, t: Tensor) -> str:
        return self.w.nchw(t) if self.last else self.w.name(t)

    def sizes(self, t: Tensor) -> tuple[int | None, ...]:
        shape = t.static_shape or (None,) * 4
        return shape[1:3] if self.last else shape[2:4]

    def channels(self, t: Tensor) -> int | None:
        return (t.static_shape or (None,) * 4)[3 if self.last else 1]

    def give(self, name: str, t: Tensor | None = None) -> str | None:
        """Hand on an output made as NCHW."""
        if not self.last:
            return name
        self.w.put_nchw(self.op.outputs[0] if t is None else t, name)
        return None

    def pads(self, t: Tensor, window: list[int], strides: list[int], dilations: list[int]) -> dict[str, Any]:
        """The attributes for the padding: numbers where the sizes are known."""
        padding = self.op.attrs["padding"]
        if padding == b"VALID":
            return {}
        if padding == b"EXPLICIT":
            given = list(self.op.attrs["explicit_paddings"])
            at = 2 if self.last else 4
            return {"pads": [given[at], given[at + 2], given[at + 1], given[at + 3]]}
        begins, ends = [], []
        for size, k, stride, dilation in zip(self.sizes(t), window, strides, dilations):
            reach = (k - 1) * dilation + 1
            if size is None and stride > 1:
                return {"auto_pad": "SAME_UPPER"}
            total = reach - 1 if size is None else max((-(-size // stride) - 1) * stride + reach - size, 0)
            begins.append(total // 2)
            ends.append(total - total // 2)
        return {"pads": [*begins, *ends]} if any(begins + ends) else {}


@maps("Conv2D")
def conv2d(w: Writer, op: Operation) -> Any:
    x = op.inputs[0]
    if x in w.dilated:
        if op.attrs["padding"] != b"VALID" or set(op.attrs["strides"]) != {1}:
            raise NotMapped("it is dilated, and has strides or padding besides")
        w.dilated[op.outputs[0]] = w.dilated[x]._replace(convolution=op)
        return None
    images, (x, filters) = Images(w, op), op.inputs
    height, width = w.static(filters, "filter").shape[:2]
    strides, dilations = images.two("strides"), images.two("dilations")
    more = images.pads(x, [height, width], strides, dilations)
    return images.give(_convolution(w, images, x, filters, strides, dilations, more))


def _convolution(
    w: Writer,
    images: Images,
    x: Tensor,
    filters: Tensor,
    strides: list[int],
    dilations: list[int],
    more: dict[str, Any],
) -> str:
    height, width, depth, _ = w.static(filters, "filter").shape
    channels = images.channels(x)
    kernel = w.constant(w.known[filters].transpose(3, 2, 0, 1), name=filters.op.name)
    made = w.node(
        "Conv",
        [images.input(x), kernel],
        kernel_shape=[height, width],
        strides=strides,
        dilations=dilations,
        group=1 if channels is None else channels // depth,
        **more,
    )
    return str(made)


@maps("SpaceToBatchND")
def into_blocks(w: Writer, op: Operation) -> Any:
    image, block, paddings = op.inputs
    sizes = [int(v) for v in w.static(block, "block_shape")]
    if len(sizes) != 2:
        raise NotMapped(f"block_shape {sizes}")
    w.dilated[op.outputs[0]] = Dilated(image, sizes, w.static(paddings, "paddings").astype(np.int64))


@maps("BatchToSpaceND")
def out_of_blocks(w: Writer, op: Operation) -> Any:
    found = w.dilated.get(op.inputs[0])
    if found is None or found.convolution is None:
        raise NotMapped("it is no part of a dilated convolution")
    crops = w.static(op.inputs[2], "crops").astype(np.int64)
    begins, ends = found.paddings[:, 0], found.paddings[:, 1] - crops[:, 1]
    if crops[:, 0].any() or (ends < 0).any() or list(w.static(op.inputs[1], "block_shape")) != found.block:
        raise NotMapped("its crops are not those of a dilated convolution")
    convolution = found.convolution
    pads = [int(n) for n in (*begins, *ends)]
    made = _convolution(
        w, Images(w, convolution), found.image, convolution.inputs[1], [1, 1], found.block, {"pads": pads}
    )
    w.put_nchw(op.outputs[0], made)


@maps("DepthwiseConv2dNative")
def depthwise(w: Writer, op: Operation) -> Any:
    images, (x, filters) = Images(w, op), op.inputs
    height, width, depth, times = w.static(filters, "filter").shape
    strides, dilations = images.two("strides"), images.two("dilations")
    values = w.known[filters].transpose(2, 3, 0, 1).reshape(depth * times, 1, height, width)
    more = images.pads(x, [height, width], strides, dilations)
    inputs = [images.input(x), w.constant(values, name=filters.op.name)]
    made = w.node(
        "Conv", inputs, kernel_shape=[height, width], strides=strides, dilations=dilations, group=depth, **more
    )
    return images.give(made)


@maps("Conv2DBackpropInput")
def conv2d_transpose(w: Writer, op: Operation) -> Any:
    images, (_, filters, gradient) = Images(w, op), op.inputs
    values = w.static(filters, "filter")
    window, strides, dilations = list(values.shape[:2]), images.two("strides"), images.two("dilations")
    given = entries(w, op.inputs[0])
    sizes = given[1:3] if images.last else given[2:4]
    small = images.sizes(gradient)
    if op.attrs["padding"] not in (b"SAME", b"VALID") or None in sizes or None in small:
        raise NotMapped("its padding, or the size of what comes out, is not known")
    begins, ends, extra = [], [], []
    for size, fewer, k, stride, dilation in zip(sizes, small, window, strides, dilations):
        assert size is not None and fewer is not None
        whole = (fewer - 1) * stride + (k - 1) * dilation + 1
        cut = max(whole - size, 0)
        begin = cut // 2 if op.attrs["padding"] == b"SAME" else 0
        begins.append(begin)
        ends.append(cut - begin)
        extra.append(max(size - whole, 0))
    kernel = w.constant(values.transpose(3, 2, 0, 1), name=filters.op.name)
    inputs = [images.input(gradient), kernel]
    more: dict[str, Any] = {"pads": [*begins, *ends], "output_padding": extra}
    return images.give(
        w.node("ConvTranspose", inputs, kernel_shape=window, strides=strides, dilations=dilations, **more)
    )


@maps("MaxPool", "AvgPool")
def pool(w: Writer, op: Operation) -> Any:
    images, (x,) = Images(w, op), op.inputs
    window, strides = images.two("ksize"), images.two("strides")
    more = images.pads(x, window, strides, [1, 1])
    if op.type == "AvgPool":
        more["count_include_pad"] = 0
    kind = "MaxPool" if op.type == "MaxPool" else "AveragePool"
    return images.give(w.node(kind, [images.input(x)], kernel_shape=window, strides=strides, **more))


@maps("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(w: Writer, op: Operation) -> Any:
    if op.attrs["is_training"]:
        raise NotMapped("it is in training mode")
    images, (x, scale, offset, mean, variance) = Images(w, op), op.inputs
    inputs = [images.input(x), *(w.name(t) for t in (scale, offset, mean, variance))]
    made = w.node("BatchNormalization", inputs, epsilon=float(op.attrs["epsilon"]))
    if images.last:
        images.give(made)
    else:
        w.put(op.outputs[0], made)
    for t, source in zip(op.outputs[1:3], (mean, variance)):
        w.put(t, w.name(source))


@maps("LRN")
def local_response(w: Writer, op: Operation) -> Any:
    radius, attrs = int(op.attrs["depth_radius"]), op.attrs
    size = 2 * radius + 1
    made = w.node(
        "LRN",
        [w.nchw(op.inputs[0])],
        size=size,
        alpha=float(attrs["alpha"]) * size,
        beta=float(attrs["beta"]),
        bias=float(attrs["bias"]),
    )
    w.put_nchw(op.outputs[0], made)


@maps("DepthToSpace", "SpaceToDepth")
def blocks(w: Writer, op: Operation) -> Any:
    images, size = Images(w, op), int(op.attrs["block_size"])
    return images.give(w.node(op.type, [images.input(op.inputs[0])], blocksize=size))


@maps("ResizeBilinear", "ResizeNearestNeighbor")
def resize(w: Writer, op: Operation) -> Any:
    x, size = op.inputs
    attrs = op.attrs
    if attrs["align_corners"]:
        places, rounding = "align_corners", "round_prefer_ceil"
    elif attrs.get("half_pixel_centers"):
        places, rounding = "half_pixel", "floor" if op.type == "ResizeBilinear" else "round_prefer_ceil"
    else:
        places, rounding = "asymmetric", "floor"
    height, width = (int(v) for v in w.static(size, "size"))
    image = w.nchw(x)
    head = w.node("Slice", [w.node("Shape", [image]), w.ints(0), w.ints(2)])
    wanted = w.node("Concat", [head, w.ints(height, width)], axis=0)
    mode = "linear" if op.type == "ResizeBilinear" else "nearest"
    made = w.node(
        "Resize",
        [image, "", "", wanted],
        mode=mode,
        coordinate_transformation_mode=places,
        nearest_mode=rounding,
    )
    if op.outputs[0].dtype is not x.dtype and np.dtype(x.dtype._base.np) != op.outputs[0].dtype._base.np:
        made = w.cast(made, op.outputs[0].dtype._base.np)
    w.put_nchw(op.outputs[0], made)
