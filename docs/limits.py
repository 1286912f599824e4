"""What does each technique cost, how certain is it, and when does it mislead? The columns of methods/README.md.

A pass is one picture through the network; a gradient is about three. n pictures, k classes.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Three cells of the table, in words."""

    cost: str
    certain: str
    misleads: str


LIMITS = {
    "activations": Limits("1 pass", "exact", "a strong map need not matter to the score"),
    "architecture": Limits("1 pass", "exact", "size says nothing of use"),
    "class_borders": Limits("n passes", "as good as the labels", "overlap in features need not be confusion"),
    "convolve": Limits("none", "exact", "hand-made filters are not the network's"),
    "deconvnet": Limits("1 gradient", "exact for its rule", "much of it follows the picture, whatever the class"),
    "deepdream": Limits("40 gradients, of pictures of up to 640 px", "one of many pictures", "what is amplified need not be in the picture"),
    "dream": Limits("256 gradients", "one of many optima; `variants` shows more", "an ideal is not what real pictures have"),
    "dropout": Limits("none", "exact for its seed", "a drawing of the idea, not of your network"),
    "duplicates": Limits("n passes", "a threshold divides alike from not", "burst shots are alike and different"),
    "filters": Limits("none", "exact", "only first layers look like patterns"),
    "gradcam": Limits("1 gradient; Score-CAM a pass for each feature map", "exact where the head is linear; says how much averaging loses", "coarse; in early layers and flattened heads it points elsewhere"),
    "gradient_x_input": Limits("1 gradient", "exact for small changes", "zero wherever the picture is black; saturated scores"),
    "guided_backprop": Limits("1 gradient", "exact for its rule", "traces edges: nearly the same for every class"),
    "guided_gradcam": Limits("2 gradients", "as its two parts", "crisp lines look surer than Grad-CAM's place is"),
    "integrated_gradients": Limits("50 gradients", "the gap of the sum is told", "the baseline decides: black objects on black get nothing"),
    "layer_agreement": Limits("n passes", "as good as the labels", "nearness is measured in one metric"),
    "lime": Limits("1,000 passes", "95% interval each, of the sampling; share explained", "another width gives another map; need not add up"),
    "lrp": Limits("1 gradient", "exact for its rule; what is lost to biases is told", "with z⁺, γ or αβ it depends little on the class"),
    "momentum": Limits("none", "exact", "one dimension, not a network's millions"),
    "neighbours": Limits("n passes, once", "exact neighbours", "alike to the network is not alike to you"),
    "neuron_card": Limits("n passes, once", "the strongest of n", "the strongest pieces hide what weak answers are for"),
    "occlusion": Limits("1 pass a position; 3 to 13 times less by recomputing", "exact to 1e-4, checked at each call", "parts that stand in for each other look worthless; grey is not nothing"),
    "outliers": Limits("n passes, once", "exact distances", "rare is not wrong"),
    "pca": Limits("n passes, once", "exact; the variance shown is told", "most of the variance is not on the page"),
    "pooling": Limits("none", "exact", "a drawing of one operation"),
    "rise": Limits("1,000 passes", "95% interval at each pixel", "black holes are pictures no network knows; slow to be certain"),
    "saliency": Limits("1 gradient", "exact for small changes", "speckled; says where a change counts, not what counts"),
    "segmentation": Limits("1 gradient and a cut", "as good as saliency and colour", "cuts along colours, whatever the network saw"),
    "shapley": Limits("148 passes for a first map, then until certain (300 to 2,000)", "95% interval each, exact up to 10 regions; sum checked", "hidden pictures are unusual ones: `fill` decides; regions hide finer parts"),
    "smoothgrad": Limits("25 gradients", "a mean of 25 samples, without an interval", "smooth looks surer than it is"),
    "softmax": Limits("none", "exact", "a probability is not a chance of being right"),
    "style_transfer": Limits("120 steps of a gradient or more", "one of many pictures", "a look, not an explanation"),
    "top_crops": Limits("n passes, once", "the strongest of n", "says what excites most, not what it is used for"),
    "tsne": Limits("n passes, once; a minute", "one of many layouts; its quality is told", "distances and sizes of clusters mean little"),
    "umap": Limits("n passes, once; a minute", "one of many layouts; its quality is told", "distances between clusters mean little"),
}  # fmt: skip


def limits(name: str) -> Limits:
    """The three cells of a technique; KeyError for one that has none yet."""
    return LIMITS[name]
