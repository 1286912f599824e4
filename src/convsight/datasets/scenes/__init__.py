"""Objects on surroundings that may betray their class: pictures in which it is known what a shortcut would be.

`drawn_scenes` draws both; `cutout_scenes` takes cut-out objects and photographs of surroundings from a folder.
"""

from convsight.datasets.scenes.cutouts import cutout_scenes
from convsight.datasets.scenes.drawn import drawn_scenes
from convsight.datasets.scenes.things import THINGS
from convsight.datasets.scenes.truth import LAYERS, Scenes, SceneSplit, Truth

__all__ = ["LAYERS", "THINGS", "SceneSplit", "Scenes", "Truth", "cutout_scenes", "drawn_scenes"]
