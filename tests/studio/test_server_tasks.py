"""The studio of a network that says several labels, or two classes by one score, in the words of its task."""

import torch
from fastapi.testclient import TestClient
from torch import nn

import convsight as cs
from convsight.studio.app import create_app
from convsight.studio.session import Studio
from tests.studio.conftest import HERE

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
