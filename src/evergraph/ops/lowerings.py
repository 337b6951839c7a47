"""Which formulation of an op XLA is given, by platform and by shape.

XLA's own lowering of an op is not always a good one on a CPU: a filter gradient as a convolution, a depthwise
convolution, the gradient of a max-pooling. The tables below say which formulation replaces it when; the formulations
are in `xla/convolution.py` and `pooling.py`. On other platforms XLA's own is right.

Measurements: CPU milliseconds over all threads, the least of many runs, float32, jaxlib 0.10.2 on 2 cores of an AMD
EPYC (AVX2, about 90 GFLOP/s a core). A shape is (images, height = width, channels in, channels out, kernel, stride).
Differences below 15 % mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from evergraph.ops.windows import Window


def lowering_platform() -> str:
    """The platform that stages are compiled for: "cpu", "gpu", "tpu"."""
    import jax

    return jax.default_backend()


@dataclass(frozen=True)
class Convolution:
    """What the choice for a convolution, or for a gradient of one, depends on."""

    window: Window
    images: int
    channels_in: int
    channels_out: int
    groups: int

    @property
    def positions(self) -> int:
        """Output positions of one image."""
        return prod(self.window.output)

    @property
    def taps(self) -> int:
        return prod(self.window.size)

    @cached_property
    def runs_on_one_core(self) -> bool:
        """Whether XLA:CPU gives the whole forward convolution to one core, though it is work enough for several.

        It multiplies one row of positions at a time by the filter, and only the tiles of that product are shared out.
        """
        if len(self.window.size) != 2 or self.groups > 1:
            return False
        terms = self.taps * self.channels_in
        work = self.images * self.positions * self.channels_out * terms
        return work > WORTH_SHARING and _tiles(self.window.output[-1], self.channels_out, terms) < 2

    @cached_property
    def transposed(self) -> Convolution | None:
        """The convolution that the gradient to the input is, if it moves by single steps."""
        window = self.window
        if any(s != 1 for s in window.stride):
            return None
        reach = [(k - 1) * d + 1 for k, d in zip(window.size, window.dilation, strict=True)]
        before = tuple(r - 1 - b for r, b in zip(reach, window.before, strict=True))
        after = tuple(n + r - 1 - o - b for n, r, o, b in zip(window.input, reach, window.output, before, strict=True))
        back = Window(window.output, window.size, window.stride, window.dilation, before, after, window.input)
        return Convolution(back, self.images, self.channels_out, self.channels_in, self.groups)

    def strips(self) -> int:
        """Into how many strips to cut each image, for the row that they form side by side to be work for all cores."""
        terms, rows = self.taps * self.channels_in, self.window.output[0]
        strips = 1
        while 2 * strips <= rows and strips < 8:
            if _tiles(self.images * strips * self.window.output[-1], self.channels_out, terms) >= TILES_WANTED:
                break
            strips *= 2
        return strips


WORTH_SHARING = 20 << 20
"""Multiplications of a convolution that are worth rearranging it: about half a millisecond of one core."""

TILES_WANTED = 8


@lru_cache(4096)
def _tiles(rows: int, columns: int, terms: int) -> int:
    """How many tiles XLA:CPU (its library for products, YNN) makes of a product of (rows, terms) and (terms, columns).

    Tiles grow, four times as high as wide, until what they read or what they give is large enough.
    """
    terms = min(terms, 1024)
    wide, high = min(columns, 16), min(rows, 16)
    least = max(min(rows, 64) * min(columns, 64), 256)
    while wide * high < least or ((wide + high) * terms < 65_536 and wide * high < 65_536):
        if (4 * wide <= high or high >= rows) and wide < columns:
            wide *= 2
        elif (high <= 4 * wide or wide >= columns) and high < rows:
            high *= 2
        else:
            break
    return -(-rows // high) * -(-columns // wide)


Row = tuple[str, Callable[[Convolution], bool], str]

CPU_CONVOLUTIONS: dict[str, tuple[Row, ...]] = {
    # formulation, when, measured
    "forward": (
        ("xla", lambda c: c.groups > 1, ""),
        ("dot", lambda c: c.window.is_pointwise, "(8,56,64,256,1,1): 9.9 for 11.4; (8,14,1024,256,1,1): 10.5 for 14.6"),
        (
            "side by side, shifted",
            lambda c: c.runs_on_one_core and c.channels_in <= 4 and c.window.stride[-1] == 1 and c.taps > 1,
            "by the clock, two cores: (64,64,3,32,5,1) 20 for 54",
        ),
        (
            "side by side",
            lambda c: c.runs_on_one_core,
            "by the clock, two cores: (64,32,32,64,3,1) 15.5 for 26; (8,56,64,64,3,1) 11 for 19; (1,56,64,64,3,1) 1.5 "
            "for 2.5; CPU time 3 to 14 % more",
        ),
        ("xla", lambda c: True, "as im2col and a dot it takes 1.0 to 2.6 times as long, as a sum over taps 3 to 4"),
    ),
    "input gradient": (
        ("xla", lambda c: c.groups > 1, ""),
        ("dot", lambda c: c.window.is_pointwise, "(8,56,64,256,1,1): 12.3 for 17.0; stride 2: 24.7 for 23.4"),
        (
            "dot and overlap_add",
            lambda c: c.positions <= 49 and c.channels_in >= 512 and c.taps > 1,
            "(8,7,512,512,3,1): 22.8 for 38.1; worse for larger images, (64,32,32,64,3,1): 42.6 for 32.7",
        ),
        (
            "side by side",
            lambda c: c.transposed is not None and c.transposed.runs_on_one_core,
            "by the clock, two cores: (64,32,32,64,3,1) 15.5 for 26",
        ),
        ("xla", lambda c: True, "stride 2: as a convolution of the dilated gradient 94.8 for 29.4"),
    ),
    "filter gradient": (
        ("xla", lambda c: c.groups > 1, ""),
        ("dot", lambda c: c.window.is_pointwise, "(8,56,64,256,1,1): 14.6 for 175; (8,56,256,512,1,2): 24.6 for 342"),
        ("xla", lambda c: c.images == 1, "(1,56,64,64,3,1): 6.3; (1,224,3,64,7,2): 6.5"),
        (
            "xla image by image",
            lambda c: c.images <= 16 and c.taps > 25 and c.channels_in <= 4,
            "(8,224,3,64,7,2): 56 for 214 unrolled; in a loop 2034",
        ),
        (
            "im2col and dot, scanned",
            lambda c: True,
            "(8,56,64,64,3,1): 43 for 66; (8,28,128,128,3,1): 31 for 52; (8,14,256,256,3,1): 27 for 38; "
            "(8,7,512,512,3,1): 30 for 38; (8,56,128,128,3,2): 34 for 66; "
            "(64,32,32,64,3,1): 61 for 377; (64,64,3,32,5,1): 54 for 79",
        ),
    ),
}

POSITIONS_A_DOT = 1024
"""How many output positions one step of the scanned filter gradient takes. Steps of 4 images, and of 1: 7x7 29.8 and
37.2, 14x14 26.9 and 26.7, 28x28 30.6 and 30.8, 56x56 50.5 and 43.1."""


def convolution_lowering(direction: str, case: Convolution) -> str:
    """The formulation for "forward", "input gradient" or "filter gradient" of a convolution."""
    if lowering_platform() != "cpu":
        return "xla"
    return next(name for name, applies, _ in CPU_CONVOLUTIONS[direction] if applies(case))


def depthwise_lowering() -> str:
    """The formulation of a depthwise convolution and of its gradients.

    (images, height, channels, kernel, stride), forward / input gradient / filter gradient, by taps and by XLA's grouped
    convolution: (8,112,32,3,1) 3.7 / 3.5 / 27 and 101 / 103 / 127; (8,112,64,3,2) 5.9 / 4.3 / 20 and 54 / 717 / 78;
    (8,14,512,3,1) 0.8 / 1.1 / 6 and 26 / 26 / 152.
    """
    return "taps" if lowering_platform() == "cpu" else "xla"


def images_a_step(case: Convolution) -> int:
    return max(1, min(case.images, -(-POSITIONS_A_DOT // max(case.positions, 1))))


__all__ = ["Convolution", "convolution_lowering", "depthwise_lowering", "images_a_step", "lowering_platform"]
