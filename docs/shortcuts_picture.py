"""How does a verdict look? Plants a tag on drawn shirts, trains on them, audits, and keeps the picture.

python docs/shortcuts_picture.py        a minute; writes docs/shortcuts.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import convsight as cs
from convsight.datasets.planted import Cue, plant

HERE = Path(__file__).parent


def main() -> None:
    data = cs.dataset("drawn-garments", limit=4000)
    planted = plant(data, Cue("corner_tag", strength=3, seed=2), "Shirt", prevalence=0.9)
    with tempfile.TemporaryDirectory() as folder:
        run = cs.train(planted.dataset, "quick", out=Path(folder) / "run", seed=0, device="cpu")
        verdict = cs.find_shortcuts(run.classifier, planted.dataset, target="Shirt")[0]
    print(verdict.sentence)
    verdict.save(HERE / "shortcuts.png")


if __name__ == "__main__":
    main()
