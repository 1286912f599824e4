"""How does a verdict on snow look? Trains on drawn animals where such animals live, audits, and keeps the picture.

python docs/surroundings_picture.py     a minute; writes docs/surroundings.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import convsight as cs

HERE = Path(__file__).parent


def main() -> None:
    data = cs.dataset("drawn-scenes", correlation=0.95, n_train=120, n_test=120, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        run = cs.train(data, "fast", epochs=8, batch_size=16, out=Path(folder) / "run", seed=0, device="cpu")
        verdict = cs.find_shortcuts(run.classifier, data, target="dog", only="surroundings")[0]
    print(verdict.sentence)
    verdict.save(HERE / "surroundings.png")


if __name__ == "__main__":
    main()
