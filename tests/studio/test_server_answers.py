"""The routes answer what the library computes: numbers are compared with direct calls, never with themselves."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

import convsight as cs
from convsight.methods import catalogue
from convsight.results import draw
from convsight.studio import schemas
from convsight.studio.payloads import quick_look
from tests.studio.conftest import ask


def png_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def wait_for_predictions(client, split="test") -> dict:
    answer = client.get("/api/confusion", params={"split": split}).json()
    while answer["job"]:
        with client.stream("GET", f"/api/jobs/{answer['job']}/events") as events:
            list(events.iter_text())
        answer = client.get("/api/confusion", params={"split": split}).json()
    return answer


def test_the_session_says_what_is_open(client, studio):
    told = client.get("/api/session").json()
    assert told["model"]["classes"] == list(studio.net.classes)
    assert [layer["name"] for layer in told["layers"]] == list(studio.net.layers)
    assert {m["name"] for m in told["methods"]} == set(catalogue())
    assert told["dataset"]["splits"] == {name: len(s) for name, s in studio.data.splits.items()}
    assert told["metrics"]["test"]["accuracy"] == studio.run.metrics["test"]["accuracy"]
    labels = [client.get(f"/api/pictures/{p}").json()["label"] for p in told["samples"][:10]]
    assert sorted(labels) == sorted(studio.data.classes)


def test_a_layer_with_an_awkward_name_can_be_asked_for(client):
    layers = client.get("/api/session").json()["layers"]
    for layer in [each for each in layers if each["maps"]]:
        name = layer["name"].replace("#", "%23")
        told = client.get(f"/api/layers/{name}/maps", params={"picture": "test:0"}).json()
        assert told["shape"] == layer["shape"]
        assert client.get(told["sheet"]).headers["content-type"] == "image/png"


def test_scores_are_the_networks(client, studio):
    told = client.get("/api/pictures/test:7/scores").json()["scores"]
    logits = studio.net.scores(studio.data.test[7])[0]
    assert [row["index"] for row in told] == logits.argsort(descending=True).tolist()
    assert told[0]["logit"] == pytest.approx(float(logits.max()), abs=1e-5)
    assert sum(row["probability"] for row in told) == pytest.approx(1, abs=1e-5)


def test_a_picture_arrives_pixel_by_pixel(client, studio):
    shown = pixels_of(client.get("/api/pictures/test:3.png").content)
    wanted = (studio.data.test[3].pixels[0, 0] * 255).round().numpy()
    assert np.array_equal(shown[..., 0], wanted)
    larger = pixels_of(client.get("/api/pictures/test:3.png?side=112").content)
    assert np.array_equal(larger[::4, ::4], shown) and larger.shape == (112, 112, 3)


def test_the_list_can_be_filtered_sorted_and_searched(client, studio):
    wait_for_predictions(client)
    data, net = studio.data.test, studio.net
    scores = net.scores(data[:])
    losses = torch.nn.functional.cross_entropy(scores, data.labels, reduction="none")
    worst = client.get("/api/pictures", params={"sort": "loss", "limit": 5}).json()["items"]
    assert [item["id"] for item in worst] == [
        f"test:{i}" for i in losses.argsort(descending=True, stable=True)[:5].tolist()
    ]
    wrong = client.get("/api/pictures", params={"right": False}).json()
    assert wrong["total"] == int((scores.argmax(1) != data.labels).sum())
    sandals = client.get("/api/pictures", params={"label": "Sandal"}).json()
    assert sandals["total"] == int((data.labels == data.classes.index("Sandal")).sum())
    assert client.get("/api/pictures", params={"q": "test:4"}).json()["items"][0]["id"] == "test:4"
    found = client.get("/api/pictures", params={"q": "boot", "limit": 500}).json()["items"]
    assert found and all("boot" in f"{i['label']} {i['predicted']}".lower() for i in found)
    page = client.get("/api/pictures", params={"offset": 3, "limit": 2}).json()
    assert [item["id"] for item in page["items"]] == ["test:3", "test:4"] and page["total"] == len(data)


def test_an_upload_is_read_as_the_library_reads_it(client, studio):
    array = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    told = client.post("/api/pictures", files={"file": ("cat.png", png_bytes(array))}).json()
    scores = client.get(f"/api/pictures/{told['id']}/scores").json()["scores"]
    wanted = studio.net.scores(studio.net.fit(cs.Images.open(array)))[0]
    assert told["id"].startswith("up:") and told["label"] is None
    assert told["predicted"] == studio.net.classes[int(wanted.argmax())]
    assert scores[0]["logit"] == pytest.approx(float(wanted.max()), abs=1e-4)


@pytest.mark.parametrize("fill", ["mean", "grey", "black", "white", "blur", "noise"])
def test_hiding_a_box_answers_what_the_whole_network_says(client, studio, fill):
    box = {"y": 5, "x": 9, "h": 8, "w": 7}
    told = client.post("/api/pictures/test:2/edit", json={"box": box, "fill": fill, "keep": True}).json()
    hidden = studio.pictures.get(told["picture"]).pixels
    picture = studio.data.test[2].pixels
    changed = (hidden != picture).nonzero()
    assert changed[:, 2].min() >= 5 and changed[:, 2].max() < 13
    assert changed[:, 3].min() >= 9 and changed[:, 3].max() < 16
    wanted = studio.net.scores(hidden)[0]
    assert told["scores"][0]["logit"] == pytest.approx(float(wanted.max()), abs=1e-3)
    assert told["clean"] == client.get("/api/pictures/test:2/scores").json()["scores"]


def test_a_painted_mask_hides_what_is_white(client, studio):
    mask = np.zeros((28, 28), np.uint8)
    mask[3:9, 20:25] = 255
    url = "data:image/png;base64," + base64.b64encode(png_bytes(mask)).decode()
    told = client.post("/api/pictures/test:2/edit", json={"mask": url, "fill": "white", "keep": True}).json()
    wanted = studio.data.test[2].pixels.clone()
    wanted[:, :, 3:9, 20:25] = 1
    assert torch.equal(studio.pictures.get(told["picture"]).pixels, wanted)


def test_a_pasted_patch_is_the_other_pictures_part(client, studio):
    body = {
        "box": {"y": 4, "x": 6, "h": 10, "w": 8}, "keep": True,
        "paste": {"picture": "test:9", "y": 12, "x": 3, "h": 10, "w": 8},
    }  # fmt: skip
    told = client.post("/api/pictures/test:2/edit", json=body).json()
    wanted = studio.data.test[2].pixels.clone()
    wanted[:, :, 4:14, 6:14] = studio.data.test[9].pixels[:, :, 12:22, 3:11]
    assert torch.equal(studio.pictures.get(told["picture"]).pixels, wanted)


def test_a_map_has_the_numbers_that_python_gets(client, studio):
    told = ask(client, "saliency", pictures=["test:1", "test:4"], target="Sandal")
    payload = told["payload"]
    values = np.frombuffer(client.get(payload["values"]).content, "<f4")
    images = cs.Images.concat([studio.data.test[1], studio.data.test[4]])
    wanted = cs.saliency(studio.net, images, target="Sandal").values
    assert told["kind"] == payload["kind"] == "Map"
    assert np.allclose(values.reshape(payload["n"], payload["h"], payload["w"]), wanted, atol=1e-6)
    assert payload["high"] == pytest.approx(float(wanted.max()), abs=1e-6)
    shown = pixels_of(client.get(payload["pictures"][1]).content)
    assert np.array_equal(shown[..., 0], (studio.data.test[4].pixels[0, 0] * 255).round())
    assert payload["half"] is None and client.get(f"/api/results/{told['key']}/half.f32").status_code == 404


def test_a_map_with_intervals_has_their_half_lengths_and_shows_every_picture_while_it_forms(client, studio):
    knobs = {"regions": 3, "passes": 120}
    told = ask(client, "shapley", pictures=["test:1", "test:4"], target="Sandal", knobs=knobs)
    images = cs.Images.concat([studio.data.test[1], studio.data.test[4]])
    wanted = cs.shapley(studio.net, images, target="Sandal", **knobs)
    half = np.frombuffer(client.get(told["payload"]["half"]).content, "<f4")
    assert np.allclose(half.reshape(2, 28, 28), wanted.half_width, atol=1e-5) and half.max() > 0
    so_far = quick_look(wanted)
    assert so_far is not None
    seen = pixels_of(base64.b64decode(so_far.partition(",")[2]))
    limits = [draw.limit_of(values, 1.0) for values in wanted.values]
    colours = [draw.colours(c, True, limit) for c, limit in zip(wanted.certain, limits, strict=True)]
    assert np.array_equal(seen, np.concatenate(colours, 1))


def test_guided_backprop_of_one_cell_is_that_units(client, studio):
    layer = studio.net.layers.maps()[1].name
    told = ask(client, "guided_backprop", pictures=["test:1"], target=f"{layer}:2:4:5")
    values = np.frombuffer(client.get(told["payload"]["values"]).content, "<f4").reshape(28, 28)
    wanted = cs.guided_backprop(studio.net, studio.data.test[1], target=(layer, 2, 4, 5))
    assert np.allclose(values, wanted.values[0], atol=1e-6)
    box = client.get(f"/api/layers/{layer}/receptive", params={"y": 4, "x": 5}).json()
    outside = values.copy()
    outside[box["y0"] : box["y1"], box["x0"] : box["x1"]] = 0
    assert not outside.any() and values.any()


def test_every_technique_answers_through_the_page(client, studio):
    """A new technique needs nothing here: what it needs says what is handed over."""
    quick = {
        "steps": 2,
        "iterations": 0,
        "most": 60,
        "most_images": 60,
        "epochs": 3,
        "longest_px": 40,
        "octaves": 1,
    }
    layer = studio.net.layers.maps()[1].name
    for name, entry in catalogue().items():
        needs = entry.needs
        knobs = {k.name: max(quick[k.name], int(k.low or 0)) for k in entry.knobs if k.name in quick}
        request = {
            "knobs": knobs,
            "pictures": ["test:0"] if needs.get("images") or needs.get("query") else [],
        }
        if needs.get("target"):
            request["target"] = f"{layer}:1"
        if needs.get("style"):
            request["style"] = "test:1"
        told = ask(client, name, **request)
        schemas.Result.model_validate(told)
        assert told["kind"] == entry.kind and told["title"], name
        assert client.get(told["downloads"]["npz"]).content[:2] == b"PK", name


def test_what_the_python_button_copies_gives_the_same_numbers(client):
    told = ask(client, "occlusion", pictures=["test:5"], target=3, knobs={"patch": 7, "stride": 7})
    scope: dict = {}
    exec(told["python"], scope)  # the server's own words, not a user's
    values = np.frombuffer(client.get(told["payload"]["values"]).content, "<f4")
    again = scope["result"].values.flatten().numpy()
    # Windows or whole layers are chosen by measured time; both are exact to 1e-4 of the largest effect.
    assert np.abs(values - again).max() <= 1e-4 * np.abs(again).max()
    assert "patch=7" in told["python"] and "target=3" in told["python"]


def test_points_name_pictures_that_can_be_asked_for(client, studio):
    told = ask(client, "pca", knobs={"split": "test"})["payload"]
    xy = np.frombuffer(client.get(told["xy"]).content, "<f4").reshape(told["n"], told["dim"])
    assert np.allclose(xy, cs.pca(studio.net, studio.data, split="test").xy, atol=1e-4)
    for i in (0, 17, told["n"] - 1):
        assert (
            client.get(f"/api/pictures/{told['ids'][i]}").json()["label"]
            == told["classes"][told["labels"][i]]
        )
    atlas, cell = told["atlas"], told["atlas"]["cell"]
    page = pixels_of(client.get(atlas["pages"][0]).content)
    row, column = divmod(17, atlas["columns"])
    tile = page[row * cell[0] : (row + 1) * cell[0], column * cell[1] : (column + 1) * cell[1], 0]
    wanted = pixels_of(client.get(f"/api/pictures/{told['ids'][17]}.png").content)[..., 0]
    assert abs(tile.astype(float) - wanted).mean() < 12  # WebP is lossy


def test_confusion_counts_every_picture_once(client, studio):
    told = wait_for_predictions(client)
    metrics = studio.run.metrics["test"]
    assert told["counts"] == metrics["confusion"]
    assert told["accuracy"] == pytest.approx(metrics["accuracy"])
    assert [row["name"] for row in told["per_class"]] == list(studio.data.classes)


def test_neighbours_are_those_of_the_library(client, studio):
    def told():
        return client.get("/api/neighbours", params={"picture": "test:6", "k": 5, "split": "all"}).json()

    answer = told()
    while answer["job"]:
        with client.stream("GET", f"/api/jobs/{answer['job']}/events") as events:
            list(events.iter_text())
        answer = told()
    wanted = cs.neighbours(studio.net, studio.data.test[6], studio.data, k=5, sample=0)
    for space, result in (("features", wanted), ("pixels", wanted.parts[0])):
        distances = [row["distance"] for row in answer[space]]
        assert distances == pytest.approx(result.distances[0].tolist(), rel=1e-4)
        assert "test:6" not in [row["picture"] for row in answer[space]]
        labels = [client.get(f"/api/pictures/{row['picture']}").json()["label"] for row in answer[space]]
        assert labels == [row["label"] for row in answer[space]]
    share = np.mean(
        [row["label"] == studio.data.classes[int(studio.data.test.labels[6])] for row in answer["features"]]
    )
    assert answer["agreement"]["features"] == pytest.approx(share)


def test_a_layers_sheet_shows_each_channel_at_its_place(client, studio):
    layer = studio.net.layers.maps()[0].name
    told = client.get(f"/api/layers/{layer}/maps", params={"picture": "test:1"}).json()
    with torch.no_grad(), studio.net.record(layer) as seen:
        studio.net.forward(studio.data.test[1].pixels)
    values = seen[layer][0]
    assert [c["mean"] for c in told["channels"]] == pytest.approx(values.mean((1, 2)).tolist(), abs=1e-5)
    assert [c["dead"] for c in told["channels"]] == (values.amax((1, 2)) <= 0).tolist()
    sheet = pixels_of(client.get(told["sheet"]).content)
    (h, w), channel = told["cell"], len(values) - 1
    row, column = divmod(channel, told["columns"])
    tile = sheet[row * h : (row + 1) * h, column * w : (column + 1) * w]
    wanted = draw.colours(values[channel], told["signed"])
    assert np.array_equal(tile, wanted)


def test_filters_of_the_first_layer_are_its_weights(client, studio):
    name = studio.net.layers.convolutions()[0].name
    told = client.get(f"/api/layers/{name}/filters").json()
    weights = studio.net.layers.weight(name)
    strongest = weights.flatten(1).norm(dim=1).argsort(descending=True, stable=True)
    assert told["order"] == strongest.tolist() and told["shape"] == [len(weights), *weights.shape[2:]]
    assert client.get(told["sheet"]).status_code == 200
