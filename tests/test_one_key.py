"""What the studio or the report computed of a run, the command line takes, and the other way round."""

from pathlib import Path

import pytest
import torch

import convsight as cs
from convsight.cli import main
from convsight.method import Method
from convsight.report.chapters import looked_at
from convsight.studio import results, schemas
from convsight.studio.session import Studio


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tiny"
    cs.train("drawn-garments", "quick", out=path, limit=60, epochs=1, network="lesson-2")
    return path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the techniques that were computed, not taken from the run."""
    names: list[str] = []
    answer = Method._answer

    def counted(self: Method, *args: object) -> object:
        names.append(self.name)
        return answer(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Method, "_answer", counted)
    return names


def studio_asks(run_path: Path, **request: object) -> None:
    run = cs.Run.open(run_path)
    studio = Studio(run.classifier, run.dataset, run)
    try:
        started = results.start(studio, schemas.ResultRequest(**request))  # type: ignore[arg-type]
        if started.job:
            studio.jobs.get(started.job).finished.wait(60)
        assert results.page_of(studio, started.key).key == started.key
    finally:
        studio.jobs.close()


def show(*words: str, out: Path) -> None:
    assert main(["show", *words, "--quiet", "-o", str(out / "x.npz")]) == 0


@pytest.mark.parametrize("request_, words", [
    ({"method": "saliency", "pictures": ["test:1"], "target": 3}, ["saliency", "test:1", "--target", "Dress"]),
    ({"method": "occlusion", "pictures": ["test:2"], "knobs": {"patch": 6}}, ["occlusion", "test:2", "--patch", "6"]),
    ({"method": "pca"}, ["pca"]),
    ({"method": "filters", "layer": "conv1"}, ["filters", "--layer", "conv1"]),
])  # fmt: skip
def test_show_after_the_studio_computes_nothing(
    run_path: Path, tmp_path: Path, computed: list[str], request_: dict, words: list[str], capsys
) -> None:
    studio_asks(run_path, **request_)
    computed.clear()
    show(words[0], str(run_path), *words[1:], out=tmp_path)
    assert computed == [] and "--fresh computes it again" in capsys.readouterr().err
    show(words[0], str(run_path), *words[1:], "--fresh", out=tmp_path)
    assert set(computed) == {words[0]}


def test_a_second_report_and_show_after_it_compute_nothing(
    run_path: Path, tmp_path: Path, computed: list[str]
) -> None:
    run = cs.Run.open(run_path)
    first = run.report(tmp_path / "1.html")
    assert len(computed) > 10
    computed.clear()
    second = cs.Run.open(run_path).report(tmp_path / "2.html")
    assert computed == [] and first.read_bytes() == second.read_bytes()
    chosen = looked_at(run).ids
    places = [f"test:{run.dataset.test.ids.index(name)}" for name in chosen]
    for words in (["architecture"], ["neighbours"], ["gradcam", *places], ["occlusion", *places]):
        if words[0] != "neighbours":
            show(words[0], str(run_path), *words[1:], out=tmp_path)
    assert computed == []


def test_the_key_changes_with_everything_that_the_answer_depends_on(run_path: Path) -> None:
    run = cs.Run.open(run_path)
    net, images = run.classifier, run.dataset.test[:1]
    method = cs.Occlusion(patch=6)
    same = [method.provenance(net, images, "Dress").key, method.provenance(net, images, target=3).key]
    assert same[0] == same[1] == method(net, images, "Dress").provenance.key
    other_net = cs.Classifier(net.module, net.classes, net.input_size, net.channels, mean=0.1)
    others = [
        cs.Occlusion(patch=7).provenance(net, images, "Dress"),
        method.provenance(net, run.dataset.test[1:2], "Dress"),
        method.provenance(net, images, "Coat"),
        method.provenance(net, images),
        method.provenance(net, images, "Dress", donor=run.dataset.test[1:2]),
        method.provenance(net, images, "Dress", masks=torch.ones(1, 28, 28, dtype=torch.bool)),
        method.provenance(other_net, images, "Dress"),
        cs.Saliency().provenance(net, images, "Dress"),
    ]
    assert len({same[0], *(each.key for each in others)}) == 1 + len(others)


def test_what_cannot_be_named_has_no_key(run_path: Path) -> None:
    run = cs.Run.open(run_path)
    net, images = run.classifier, run.dataset.test[:1]
    assert cs.Saliency().provenance(net, images, target=lambda output: output[:, 0]).key == ""
    with net.edit({"conv1": lambda value: value * 0}):
        assert cs.Saliency().provenance(net, images).key == ""


def test_answer_stores_what_it_computes(run_path: Path, computed: list[str]) -> None:
    run = cs.Run.open(run_path)
    images = run.dataset.test[3:5]
    first = run.answer(cs.Gradcam(), images=images)
    again = cs.Run.open(run_path).answer(cs.Gradcam(), images=images)
    assert torch.equal(first.values, again.values) and computed == ["gradcam"]  # type: ignore[attr-defined]
