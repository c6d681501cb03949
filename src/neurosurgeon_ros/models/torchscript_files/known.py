# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Operators of torch that a TorchScript program may call: those that compute a result of known size from their arguments.

They read and write no file, draw no random numbers, and write to none of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

_ELEMENTWISE = """
    abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor
    ceil celu clamp clamp_max clamp_min copysign cos cosh deg2rad div divide elu eq erf erfc exp exp2 expm1 fill
    floor floor_divide fmod frac ge gelu greater greater_equal gt hardshrink hardsigmoid hardswish hardtanh
    isfinite isinf isnan le leaky_relu lerp less less_equal log log10 log1p log2 log_sigmoid logical_and
    logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg
    negative not_equal pow prelu rad2deg reciprocal relu relu6 remainder round rsqrt rsub selu sgn sigmoid sign
    silu sin sinc sinh softplus softshrink softsign sqrt square sub subtract tan tanh threshold true_divide trunc
    where xlogy __and__ __or__ __xor__
"""
_REDUCTIONS = """
    all amax amin any argmax argmin argsort count_nonzero cummax cummin cumprod cumsum frobenius_norm linalg_norm
    linalg_vector_norm log_softmax logcumsumexp logsumexp max mean median min norm prod softmax softmin sort std
    std_mean sum topk var var_mean
"""
_PRODUCTS = """
    addbmm addmm addmv baddbmm bilinear bmm chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d convolution _convolution cosine_similarity dot einsum inner kron linalg_inv linear matmul mm
    mv outer scaled_dot_product_attention tensordot _native_multi_head_attention _transformer_encoder_layer_fwd
"""
_NORMS = """
    batch_norm group_norm instance_norm layer_norm local_response_norm native_group_norm native_layer_norm
    normalize rms_norm
"""
_WINDOWS = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    affine_grid_generator avg_pool1d avg_pool2d avg_pool3d channel_shuffle col2im constant_pad_nd grid_sampler
    grid_sampler_2d im2col max_pool1d max_pool2d max_pool3d pad pixel_shuffle pixel_unshuffle reflection_pad1d
    reflection_pad2d replication_pad1d replication_pad2d upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_nearest_exact2d
"""
_ARRANGEMENT = """
    broadcast_tensors broadcast_to cat chunk column_stack concat diag_embed diagonal dstack expand expand_as
    flatten flip fliplr flipud gather hstack index index_add index_copy index_fill index_put index_select
    masked_scatter meshgrid moveaxis movedim narrow permute repeat repeat_interleave reshape reshape_as roll rot90
    scatter scatter_add select select_scatter slice slice_scatter split split_with_sizes squeeze stack swapaxes
    swapdims t take take_along_dim tensor_split tile transpose tril triu unbind unflatten unfold unsqueeze vstack
"""
_MAKERS = """
    arange bucketize embedding empty empty_like eye full full_like linspace new_empty new_full new_ones new_zeros
    one_hot ones ones_like searchsorted tril_indices triu_indices zeros zeros_like
"""

#: Names of the operators.
OPERATORS: frozenset[str] = frozenset(
    " ".join((_ELEMENTWISE, _REDUCTIONS, _PRODUCTS, _NORMS, _WINDOWS, _ARRANGEMENT, _MAKERS)).split()
)

#: Functions that take the same arguments as the operator, and that the rest of the program recognises.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "div": torch.div,
    "erf": torch.erf,
    "linear": functional.linear,
    "matmul": torch.matmul,
    "mul": torch.mul,
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "sub": torch.sub,
}
