"""The studio of a network that says several labels, or two classes by one score, in the words of its task."""

import io

import torch
from fastapi.testclient import TestClient
from PIL import Image
from torch import nn

import convsight as cs
from convsight.studio.app import create_app
from convsight.studio.session import Studio
from tests.studio.conftest import HERE, finished

LABELS = ("bright", "red", "dark")


def networks(k: int, **said) -> cs.Classifier:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, k)
    )
    return cs.Classifier(module, input_size=8, channels=3, **said)


def serving(studio: Studio) -> TestClient:
    return TestClient(create_app(studio), base_url=HERE)


def test_the_session_tells_what_was_guessed_of_the_network():
    guessed = networks(1, classes=["cat", "dog"])
    assert guessed.notes
    with serving(Studio(guessed)) as client:
        assert client.get("/api/session").json()["model"]["notes"] == list(guessed.notes)


def several() -> tuple[Studio, cs.Dataset]:
    """A network of three labels, and pictures whose data set names the labels in another order."""
    net = networks(3, classes=LABELS, task="multilabel", thresholds=[0.45, 0.5, 0.55])
    pixels = torch.rand(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = (torch.arange(32)[:, None] // torch.tensor([1, 2, 4]) % 2).long()
    data = cs.dataset((pixels, labels), classes=LABELS[::-1])
    return Studio(net, data), data


def named(row, names) -> set[str]:
    return {name for name, there in zip(names, row.tolist(), strict=True) if there}


def listed(told: str) -> set[str]:
    return set() if told == "no label" else set(told.split(" + "))


def test_pictures_are_listed_with_their_labels_and_those_that_the_network_says():
    studio, data = several()
    studio.predictions.make("train")
    part = data.train
    chances = torch.sigmoid(studio.net.module(part.pixels))
    said = [named(row, LABELS) for row in chances >= torch.tensor([0.45, 0.5, 0.55])]
    truth = [named(row, LABELS[::-1]) for row in part.labels]
    right = [i for i in range(len(part)) if said[i] == truth[i]]
    assert 0 < len(right) < len(part)

    with serving(studio) as client:

        def asked(**filters):
            return client.get("/api/pictures", params={"split": "train", **filters}).json()

        items = asked()["items"]
        assert [listed(each["label"]) for each in items] == truth
        assert [listed(each["predicted"]) for each in items] == said
        assert [each["id"] for each in asked(right=True)["items"]] == [f"train:{i}" for i in right]
        assert asked(label="red")["total"] == sum("red" in each for each in truth)
        assert asked(predicted="bright")["total"] == sum("bright" in each for each in said)
        scores = client.get("/api/pictures/train:3/scores").json()
        assert listed(scores["said"]) == said[3] and listed(scores["label"]) == truth[3]


def test_the_loss_of_several_labels_is_the_mean_of_their_cross_entropies():
    studio, data = several()
    known = studio.predictions.make("train")
    p = torch.sigmoid(studio.net.module(data.train.pixels)).detach()
    truth = data.train.labels.flip(1)
    torch.testing.assert_close(known.loss, -torch.where(truth == 1, p.log(), (1 - p).log()).mean(1))
    said = p >= torch.tensor([0.45, 0.5, 0.55])
    torch.testing.assert_close(known.confidence, torch.where(said, p, 1 - p).amin(1))


def test_a_finished_run_of_several_labels_is_told_by_its_mean_average_precision(tmp_path):
    _, data = several()
    run = cs.train(data, "quick", epochs=1, out=tmp_path / "labels")
    opened = Studio(run.classifier, data, run, runs=tmp_path)
    with serving(opened) as client:
        told = client.get("/api/runs").json()[0]
    assert told["headline"] == f"{100 * run.metrics['test']['map']:.1f}%"
    assert told["headline_words"].startswith("mean average precision of 3 labels")


def test_labels_of_other_names_are_refused_with_both_lists_of_names():
    pixels = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    data = cs.dataset((pixels, torch.arange(16) % 2), classes=["owl", "fox"])
    studio = Studio(networks(2, classes=["cat", "dog"], task="classify"), data)
    studio.predictions.make("train")
    with serving(studio) as client:
        refused = client.get("/api/confusion", params={"split": "train"})
    assert refused.status_code == 400
    assert "owl, fox" in refused.text and "cat, dog" in refused.text


def test_two_classes_by_one_score_are_said_at_the_networks_threshold():
    net = networks(1, classes=["cat", "dog"], task="binary")
    pixels = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    data = cs.dataset((pixels, torch.arange(16) % 2), classes=["cat", "dog"])
    dog = torch.sigmoid(net.module(data.train.pixels[:1])).item()
    for limit, name in ((dog - 0.01, "dog"), (dog + 0.01, "cat")):
        told = Studio(networks(1, classes=["cat", "dog"], task="binary", thresholds=limit), data)
        with serving(told) as client:
            assert client.get("/api/pictures/train:0/scores").json()["said"] == name


def test_each_label_has_its_scores_and_the_pictures_that_it_is_missed_in():
    studio, data = several()
    studio.predictions.make("train")
    part = data.train
    said = torch.sigmoid(studio.net.module(part.pixels)) >= torch.tensor([0.45, 0.5, 0.55])
    truth = part.labels.flip(1) > 0
    with serving(studio) as client:
        told = client.get("/api/labels", params={"split": "train"}).json()

        def ids(**filters):
            items = client.get("/api/pictures", params={"split": "train", **filters}).json()["items"]
            return [int(item["id"].partition(":")[2]) for item in items]

        missed, invented = ids(missed="bright"), ids(invented="bright")
        kinds = client.get("/api/confusion", params={"split": "train"})
    assert kinds.status_code == 400
    assert [row["name"] for row in told["labels"]] == list(LABELS)
    assert [row["missed"] for row in told["labels"]] == (truth & ~said).sum(0).tolist()
    assert [row["invented"] for row in told["labels"]] == (said & ~truth).sum(0).tolist()
    assert [row["n"] for row in told["labels"]] == truth.sum(0).tolist()
    assert missed == (truth & ~said)[:, 0].nonzero().flatten().tolist()
    assert invented == (said & ~truth)[:, 0].nonzero().flatten().tolist()


def test_the_map_of_several_labels_carries_them_all():
    studio, data = several()
    with serving(studio) as client:
        started = client.post("/api/results", json={"method": "pca", "knobs": {"split": "train"}}).json()
        payload = finished(client, started)["payload"]
    assert payload["labels"] == [row.nonzero().flatten().tolist() for row in data.train.labels]
    right = [
        named(s, LABELS) == named(t, LABELS[::-1])
        for s, t in zip(studio.net.predict(data.train[:]), data.train.labels, strict=True)
    ]
    assert payload["right"] == right


def test_a_network_of_four_channels_gets_the_fourth_of_an_upload():
    net = cs.Classifier(
        nn.Sequential(nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=8, channels=4
    )
    array = torch.randint(0, 256, (8, 8, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    file = io.BytesIO()
    Image.fromarray(array.numpy()).save(file, "PNG")
    studio = Studio(net)
    with serving(studio) as client:
        told = client.post("/api/pictures", files={"file": ("rgba.png", file.getvalue())}).json()
        assert client.get(f"/api/pictures/{told['id']}.png").status_code == 200
        plain = io.BytesIO()
        Image.fromarray(array.numpy()[..., :3]).save(plain, "PNG")
        refused = client.post("/api/pictures", files={"file": ("rgb.png", plain.getvalue())})
    pixels = studio.pictures.get(told["id"]).pixels
    torch.testing.assert_close(pixels, array.permute(2, 0, 1)[None] / 255)
    assert refused.status_code == 400 and "4 channels are wanted" in refused.text
