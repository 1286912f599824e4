"""Training, testing, and the recipes for both."""

from __future__ import annotations

from convsight.training.augment import Augment
from convsight.training.evaluate import test
from convsight.training.interrupt import Interrupted
from convsight.training.progress import Progress
from convsight.training.recipe import Recipe
from convsight.training.recipes import RECIPES
from convsight.training.session import train

__all__ = ["RECIPES", "Augment", "Interrupted", "Progress", "Recipe", "test", "train"]
