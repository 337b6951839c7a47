"""Images decoded and encoded. The files in `data/images` are a few hundred bytes each."""

import struct
import zlib
from pathlib import Path

import numpy as np
from ops.case import Case, ints

FILES = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "data" / "images").iterdir())}
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *[np.array(x, object) if isinstance(x, bytes) else x for x in inputs], **options))


def without_adobe(data):
    """A JPEG file without the marker that says that its inks are stored upside down."""
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + struct.unpack(">H", data[start + 2 : start + 4])[0] :]


def chunk(kind, body):
    return (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)) & 0xFFFFFFFF)
    )


def png(kind, depth, samples, seed=0, transparency=None, gamma=None, height=7, width=9):
    """A PNG file of random samples, each row by a filter of its own."""
    state = np.random.RandomState(seed)
    rows = state.randint(0, 256, (height, (width * samples * depth + 7) // 8)).astype(np.uint8)
    filters = state.randint(0, 5, (height, 1)).astype(np.uint8)
    if kind == 3:
        filters[:] = 0
        rows %= 2 ** min(depth, 7)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if gamma:
        parts.append(chunk(b"gAMA", struct.pack(">I", gamma)))
    if kind == 3:
        parts.append(chunk(b"PLTE", state.randint(0, 256, 3 << depth).astype(np.uint8).tobytes()))
    if transparency is not None:
        parts.append(chunk(b"tRNS", transparency))
    parts.append(chunk(b"tEXt", b"Title\0none"))
    parts.append(chunk(b"IDAT", zlib.compress(np.concatenate([filters, rows], 1).tobytes())))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def interlaced_png(height, width):
    """A PNG file of random samples in seven passes, each over pixels that lie wide apart."""
    state = np.random.RandomState(3)
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = []
    for x, y, dx, dy in passes:
        rows, columns = -(-(height - y) // dy), -(-(width - x) // dx)
        if rows > 0 and columns > 0:
            samples = state.randint(0, 256, (rows, 3 * columns)).astype(np.uint8)
            filters = state.randint(0, 5, (rows, 1)).astype(np.uint8)
            parts.append(np.concatenate([filters, samples], 1).tobytes())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"".join(parts))) + chunk(b"IEND", b"")


def bmp(bits, height=4, width=5):
    channels = bits // 8
    row = (channels * width + 3) // 4 * 4
    pixels = np.random.RandomState(1).randint(0, 256, abs(height) * row).astype(np.uint8).tobytes()
    header = struct.pack("<IiiHHIIIIII", 40, width, height, 1, bits, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


# JPEG

for _name in ("photo.jpg", "full_colour.jpg", "progressive.jpg", "gray.jpg"):
    case(
        "jpeg_" + _name[:-4],
        lambda tf, data: (
            [tf.image.decode_jpeg(data, channels=n) for n in (0, 1, 3)]
            + [
                tf.image.decode_jpeg(data, ratio=2),
                tf.image.decode_jpeg(data, ratio=8, channels=3),
                tf.image.decode_jpeg(data, fancy_upscaling=False),
                tf.image.decode_jpeg(data, dct_method="INTEGER_ACCURATE"),
                tf.image.extract_jpeg_shape(data),
                tf.image.extract_jpeg_shape(data, tf.int64),
                tf.image.is_jpeg(data),
            ]
        ),
        FILES[_name],
    )
case(
    "jpeg_cropped",
    lambda tf, data, window: [
        tf.image.decode_and_crop_jpeg(data, window, channels=3),
        tf.image.decode_and_crop_jpeg(data, [0, 0, 21, 30], ratio=1),
    ],
    FILES["full_colour.jpg"],
    np.array([3, 4, 10, 11], np.int32),
)
case("jpeg_crop_outside", lambda tf, data: tf.image.decode_and_crop_jpeg(data, [3, 4, 30, 5]), FILES["photo.jpg"])
case("jpeg_crop_empty", lambda tf, data: tf.image.decode_and_crop_jpeg(data, [3, 4, 0, 5]), FILES["photo.jpg"])
case("jpeg_of_inks_shape", lambda tf, data: tf.image.extract_jpeg_shape(data), FILES["inks.jpg"])
case(
    "jpeg_of_inks",
    lambda tf, *files: [
        tf.cast(tf.image.decode_jpeg(data, ratio=ratio), tf.float32) for data in files for ratio in (1, 2)
    ],
    FILES["inks.jpg"],
    without_adobe(FILES["inks.jpg"]),
    gradient=False,
    atol=8,
    note="in CMYK only the accurate transform can be had: TensorFlow's fast one differs by a few shades",
)
case("jpeg_of_inks_gray", lambda tf, data: tf.image.decode_jpeg(data, channels=1), FILES["inks.jpg"])
case("jpeg_of_four_channels", lambda tf, data: tf.image.decode_jpeg(data, channels=4), FILES["photo.jpg"])
case("jpeg_of_two_channels", lambda tf, data: tf.image.decode_jpeg(data, channels=2), FILES["photo.jpg"])
case("jpeg_of_negative_channels", lambda tf, data: tf.image.decode_jpeg(data, channels=-1), FILES["photo.jpg"])
case("jpeg_of_ratio_three", lambda tf, data: tf.image.decode_jpeg(data, ratio=3), FILES["photo.jpg"])
case("jpeg_of_unknown_dct", lambda tf, data: tf.image.decode_jpeg(data, dct_method="SLOW"), FILES["photo.jpg"])
case("jpeg_truncated", lambda tf, data: tf.image.decode_jpeg(data), FILES["photo.jpg"][:-40])
case("jpeg_truncated_to_header", lambda tf, data: tf.image.decode_jpeg(data), FILES["photo.jpg"][:100])
case(
    "jpeg_truncated_but_acceptable",
    lambda tf, data: tf.image.decode_jpeg(data, acceptable_fraction=0.3),
    FILES["photo.jpg"][:-40],
)
case(
    "jpeg_truncated_not_acceptable",
    lambda tf, data: tf.image.decode_jpeg(data, acceptable_fraction=0.9),
    FILES["photo.jpg"][:-40],
)
case("jpeg_shape_of_nothing", lambda tf, data: tf.image.extract_jpeg_shape(data), b"")
case("jpeg_shape_of_text", lambda tf, data: tf.image.extract_jpeg_shape(data), b"not a picture")
case(
    "jpeg_of_vector",
    lambda tf, data: tf.image.decode_jpeg(data),
    np.array([FILES["photo.jpg"]], object),
    shapes={0: None},
)
case("jpeg_of_known_vector", lambda tf, data: tf.image.decode_jpeg(data), np.array([FILES["photo.jpg"]], object))

# PNG

KINDS = ((0, 1, 1), (0, 2, 1), (0, 4, 1), (0, 8, 1), (0, 16, 1), (2, 8, 3), (2, 16, 3), (3, 1, 1), (3, 4, 1), (3, 8, 1))
KINDS += ((4, 8, 2), (4, 16, 2), (6, 8, 4), (6, 16, 4))
DECODED = lambda tf, data: [  # noqa: E731
    tf.image.decode_png(data, channels=n, dtype=dtype) for n in (0, 1, 3, 4) for dtype in (tf.uint8, tf.uint16)
]
for _kind, _depth, _samples in KINDS:
    case(f"png_{_kind}_{_depth}", DECODED, png(_kind, _depth, _samples))
case("png_transparent_gray", DECODED, png(0, 8, 1, transparency=struct.pack(">H", 100), seed=2))
case("png_transparent_wide", DECODED, png(2, 16, 3, transparency=struct.pack(">HHH", 1, 2, 3)))
case("png_transparent_palette", DECODED, png(3, 4, 1, transparency=bytes(bytearray(range(10)))))
case("png_of_gamma", DECODED, png(2, 8, 3, gamma=45455))
PNG = png(6, 8, 4)
case("png_interlaced", DECODED, interlaced_png(9, 13))
case("png_interlaced_small", DECODED, interlaced_png(3, 2))
case("png_truncated", lambda tf, data: tf.image.decode_png(data), PNG[:-60])
case("png_header_only", lambda tf, data: tf.image.decode_png(data), PNG[:20])
case("png_wrong_checksum", lambda tf, data: tf.image.decode_png(data), PNG[:30] + b"\0" + PNG[31:])
case(
    "png_wrong_pixels",
    lambda tf, data: tf.image.decode_png(data),
    png(6, 8, 4)[:41] + chunk(b"IDAT", b"abc") + chunk(b"IEND", b""),
)
case(
    "png_huge",
    lambda tf, data: tf.image.decode_png(data),
    PNG[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 99999, 99999, 8, 6, 0, 0, 0)) + PNG[33:],
)
case("png_of_text", lambda tf, data: tf.image.decode_png(data), b"not a picture")
case("png_of_five_channels", lambda tf, data: tf.image.decode_png(data, channels=5), PNG)
case("png_op_reads_jpeg", lambda tf, data: tf.image.decode_png(data), FILES["full_colour.jpg"])
case("png_op_reads_no_wide_jpeg", lambda tf, data: tf.image.decode_png(data, dtype=tf.uint16), FILES["photo.jpg"])
case("jpeg_op_reads_png", lambda tf, data: tf.image.decode_jpeg(data), PNG)

# GIF and BMP

case("gif", lambda tf, data: tf.image.decode_gif(data), FILES["animation.gif"])
case("gif_still", lambda tf, data: [tf.image.decode_gif(data), tf.image.decode_png(data)], FILES["still.gif"])
case("gif_animated_is_no_png", lambda tf, data: tf.image.decode_png(data), FILES["animation.gif"])
case(
    "gif_op_reads_jpeg_and_png",
    lambda tf, x, y: [tf.image.decode_gif(x), tf.image.decode_gif(y)],
    FILES["gray.jpg"],
    PNG,
)
case("gif_truncated", lambda tf, data: tf.image.decode_gif(data), FILES["animation.gif"][:-30])
case("gif_header_only", lambda tf, data: tf.image.decode_gif(data), FILES["still.gif"][:20])
case("gif_of_one_channel", lambda tf, data: tf.image.decode_jpeg(data, channels=1), FILES["still.gif"])
for _bits in (8, 24, 32):
    case(f"bmp_{_bits}", lambda tf, x, y: [tf.image.decode_bmp(x), tf.image.decode_bmp(y)], bmp(_bits), bmp(_bits, -3))
case("bmp_channels", lambda tf, data: tf.image.decode_bmp(data, channels=3), bmp(24))
case("bmp_wrong_channels", lambda tf, data: tf.image.decode_bmp(data, channels=1), bmp(24))
case("bmp_16", lambda tf, data: tf.image.decode_bmp(data), bmp(16))
case("bmp_truncated", lambda tf, data: tf.image.decode_bmp(data), bmp(24)[:-9])
case("bmp_header_only", lambda tf, data: tf.image.decode_bmp(data), bmp(24)[:20])

# Whichever it is

for _name, _data in (
    ("jpeg", FILES["full_colour.jpg"]),
    ("png", PNG),
    ("gif", FILES["animation.gif"]),
    ("bmp", bmp(24)),
):
    case(
        "any_" + _name,
        lambda tf, data: [
            tf.image.decode_image(data),
            tf.image.decode_image(data, channels=3, dtype=tf.float32, expand_animations=False),
        ],
        _data,
        atol=1e-6,
    )
    case(f"any_{_name}_gray", lambda tf, data: tf.image.decode_image(data, channels=1), _data)
    case(f"any_{_name}_with_alpha", lambda tf, data: tf.image.decode_image(data, channels=4), _data)
case("any_of_text", lambda tf, data: tf.image.decode_image(data), b"not a picture")
case("any_of_nothing", lambda tf, data: tf.image.decode_image(data), b"")
case("any_of_two_channels", lambda tf, data: tf.image.decode_image(data, channels=2), PNG)

# Encoding

PICTURE = np.kron(ints(3, 4, 3, low=0, high=256), np.ones((5, 6, 1), np.int32)).astype(np.uint8)
GRAY = PICTURE[..., :1].copy()
case(
    "encode_jpeg",
    lambda tf, x, y: [
        tf.image.encode_jpeg(x),
        tf.image.encode_jpeg(x, quality=30, progressive=True, density_unit="cm", x_density=72, y_density=80),
        tf.image.encode_jpeg(x, format="rgb", quality=0, optimize_size=True, chroma_downsampling=False),
        tf.image.encode_jpeg(y, format="grayscale", xmp_metadata="about"),
        tf.raw_ops.EncodeJpegVariableQuality(images=x, quality=12),
    ],
    PICTURE,
    GRAY,
)
case("encode_jpeg_open", lambda tf, x: tf.image.encode_jpeg(x), PICTURE, shapes={0: None})
case("encode_jpeg_not_rgb", lambda tf, x: tf.image.encode_jpeg(x, format="rgb"), GRAY)
case("encode_jpeg_two_channels", lambda tf, x: tf.image.encode_jpeg(x), PICTURE[..., :2].copy())
case("encode_jpeg_too_good", lambda tf, x: tf.image.encode_jpeg(x, quality=101), PICTURE)
case("encode_jpeg_no_pixels", lambda tf, x: tf.image.encode_jpeg(x), PICTURE[:0])
case("encode_jpeg_batch", lambda tf, x: tf.image.encode_jpeg(x), PICTURE[None])
case(
    "encode_png",
    lambda tf, *images: [tf.image.encode_png(x, compression=c) for x in images for c in (-1, 0, 9)],
    GRAY,
    PICTURE[..., :2].copy(),
    PICTURE,
    ints(5, 7, 4, low=0, high=256, dtype=np.uint8),
    ints(5, 7, 3, low=0, high=65536, dtype=np.uint16),
    PICTURE[:1, :1].copy(),
)
case("encode_png_five_channels", lambda tf, x: tf.image.encode_png(x), np.zeros((2, 2, 5), np.uint8))
case("encode_png_wrong_compression", lambda tf, x: tf.image.encode_png(x, compression=10), PICTURE)
case(
    "jpeg_quality",
    lambda tf, x, q: [tf.image.adjust_jpeg_quality(x, 20), tf.image.adjust_jpeg_quality(x, q)],
    PICTURE,
    np.array(70, np.int32),
)
