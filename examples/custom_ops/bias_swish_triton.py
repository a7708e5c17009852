"""The fused bias and swish as a Triton function; see bias_swish_kernels.py."""

import triton
import triton.language as tl


@triton.jit
def bias_swish(x, bias, count, channels, y, BETA: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):  # noqa: N803
    """ROWS times WIDTH elements of y, which lie one after the other.

    One remainder is computed for WIDTH of them, since it costs more than all the rest. Whole blocks load and store
    without a mask, which lets the compiler use vectors.
    """
    start = tl.program_id(0).to(tl.int64) * (ROWS * WIDTH)
    first, lane = tl.arange(0, ROWS)[:, None] * WIDTH, tl.arange(0, WIDTH)[None, :]
    places = start + first + lane
    channel = ((start % channels).to(tl.int32) + first) % channels + lane
    if channels < WIDTH:  # noqa: SIM108  # a branch, not both sides
        channel = channel % channels
    else:
        channel = tl.where(channel < channels, channel, channel - channels)
    if start + ROWS * WIDTH <= count:
        z = tl.load(x + places).to(tl.float32) + tl.load(bias + channel).to(tl.float32)
        tl.store(y + places, (z / (1.0 + tl.exp(-BETA * z))).to(y.dtype.element_ty))
    else:
        inside = places < count
        z = tl.load(x + places, inside).to(tl.float32) + tl.load(bias + channel, inside).to(tl.float32)
        tl.store(y + places, (z / (1.0 + tl.exp(-BETA * z))).to(y.dtype.element_ty), inside)
