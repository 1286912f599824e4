"""How does each kind of operation hand relevance back? The names are PyTorch's own, as the tape records them.

MOVES      puts values elsewhere, or takes the largest: relevance goes where the value came from, as a gradient does
PASSES     turns each number into another one: that number gets all of the relevance. So do ReLU, SiLU, GELU and
           hardswish, and normalisations, whose statistics count as given (Ali et al. 2022, arXiv:2202.07304, and
           Achtibat et al. 2024, arXiv:2402.05602, for layer normalisation)
SHARES     sums: each summand gets its share of the value, x ÷ Σ x
GATED      products: the factor that is a gate, between 0 and 1 or one number for a whole map, gets nothing and the
           signal all (Arras et al. 2017, arXiv:1706.07206); two factors of the same standing get half each
"""

from __future__ import annotations

from convsight.network.operations import CLIPPERS, GATES, RECTIFIERS

_MOVES = """
    view view_as reshape reshape_as flatten unflatten unsafe_view ravel squeeze unsqueeze permute transpose swapaxes
    swapdims movedim moveaxis t T mT adjoint getitem select select_copy narrow slice slice_copy index_select gather take
    take_along_dim chunk tensor_split split split_with_sizes unsafe_split unsafe_chunk unbind stack cat concat
    concatenate hstack vstack dstack roll flip fliplr flipud rot90 pad constant_pad_nd reflection_pad2d
    replication_pad2d expand broadcast_to repeat repeat_interleave tile unfold im2col pixel_shuffle pixel_unshuffle
    channel_shuffle setitem copy index diagonal as_strided where masked_fill maximum minimum fmax fmin max min amax
    amin topk sort max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool2d_with_indices
    adaptive_max_pool1d_with_indices boolean_dispatch fn dropout dropout1d dropout2d dropout3d alpha_dropout
    feature_dropout feature_alpha_dropout native_dropout identity stochastic_depth
"""
_PASSES = """
    exp log log2 log1p expm1 sqrt rsqrt pow square abs neg negative sign reciprocal clamp_max logsigmoid log_sigmoid
    softshrink hardshrink tanhshrink erf sin cos arctan atan special_expit round floor ceil
"""
_SHARES = """
    add sub rsub subtract sum mean avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d interpolate upsample upsample_bilinear2d upsample_nearest2d upsample_bicubic2d cumsum
"""
# the normalisations, and what a note calls them
NORMALISATIONS = {
    "batch_norm": "batch normalisation", "native_batch_norm": "batch normalisation",
    "native_batch_norm_legit_no_training": "batch normalisation", "cudnn_batch_norm": "batch normalisation",
    "layer_norm": "layer normalisation", "native_layer_norm": "layer normalisation",
    "group_norm": "group normalisation", "native_group_norm": "group normalisation",
    "instance_norm": "instance normalisation", "rms_norm": "RMS normalisation",
    "local_response_norm": "local response normalisation", "normalize": "normalisation to length 1",
}  # fmt: skip

MOVES = frozenset(_MOVES.split())
PASSES = RECTIFIERS | CLIPPERS | GATES | NORMALISATIONS.keys() | frozenset(_PASSES.split())
SHARES = frozenset(_SHARES.split())
GATED = frozenset({"mul", "multiply", "div", "divide", "true_divide"})

# what makes a value a gate: squashed into 0 … 1 (or −1 … 1); a softmax weighs, too
GATING = GATES | {"softmax", "special_expit", "special_softmax"}

OFFSETS = frozenset({"add", "sub", "rsub", "subtract"})
