"""Does the studio work in a notebook cell, where every question goes through the widget to the kernel?"""

import base64
import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, expect

import convsight as cs
from convsight.errors import InputError
from convsight.studio import notebook
from convsight.studio.notebook import Bridge, Frozen, explore, live_page

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")

# A cell: the widget's own module, with a model whose messages go to Python and whose answers come back.
CELL = """
async ([code, page]) => {
  const module = await import('data:text/javascript;base64,' + code);
  const listeners = new Set();
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const text = (view) => btoa(String.fromCharCode(...new Uint8Array(view)));
  const model = {
    get: (name) => ({ page, height: 760 })[name],
    on: (_, f) => listeners.add(f), off: (_, f) => listeners.delete(f),
    send: async (content, __, buffers) => {
      const [head, body] = await window.kernel(content, buffers.map(text));
      listeners.forEach((f) => f(head, [new DataView(bytes(body).buffer)]));
    },
  };
  window.stop = module.default.render({ model, el: document.body });
}
"""


@pytest.fixture
def net(run_folder: Path) -> cs.Classifier:
    return cs.Run.open(run_folder).classifier


@pytest.fixture
def pictures(run_folder: Path) -> cs.Images:
    return cs.Run.open(run_folder).dataset.test[:3]


def test_the_page_in_a_cell_computes_what_is_clicked(
    browser: Browser, built_page: Path, net: cs.Classifier, pictures: cs.Images
) -> None:
    studio = notebook.begin(net, pictures, None, "explore")
    bridge, asked = Bridge(studio), []

    def kernel(content: dict[str, Any], buffers: list[str]) -> list[Any]:
        asked.append((content["method"], content["url"]))
        head, body = bridge(content, base64.b64decode(buffers[0]) if buffers else b"")
        return [head, base64.b64encode(body).decode()]

    page = browser.new_page(viewport={"width": 1200, "height": 900}, offline=True)
    errors: list[str] = []
    page.on("console", lambda told: told.type == "error" and errors.append(told.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.expose_function("kernel", kernel)
    code = (Path(notebook.__file__).parent / "notebook_widget.js").read_bytes()
    page.evaluate(CELL, [base64.b64encode(code).decode(), live_page()])
    inside = page.frame_locator("iframe")
    expect(inside.get_by_role("group", name="Samples").get_by_role("button")).to_have_count(3, timeout=30_000)
    label = net.classes[int(net.predict(pictures[:1])[0])]
    expect(inside.get_by_role("region", name="The picture")).to_contain_text(f"seen as {label}")
    loaded = "() => [...document.images].filter(i => i.src.startsWith('blob:') && i.naturalWidth > 1).length"
    page.frames[1].wait_for_function(f"({loaded})() >= 4")
    inside.get_by_role("link", name="Image").first.click()
    expect(inside.get_by_role("region", name="Technique").locator("canvas").first).to_be_visible(
        timeout=30_000
    )
    assert ("POST", "/api/results") in asked
    assert errors == []
    page.evaluate("stop()")
    page.close()
    studio.jobs.close()


def test_the_bridge_answers_as_the_server_does(net: cs.Classifier, pictures: cs.Images) -> None:
    studio = notebook.begin(net, pictures, None, "explore")
    bridge = Bridge(studio)
    head, body = bridge({"id": 7, "method": "GET", "url": "/api/session"})
    assert (head["id"], head["status"]) == (7, 200)
    session = json.loads(body)
    assert len(session["samples"]) == 3 and not session["can"]["train"] and not session["can"]["map"]
    picture = session["samples"][1]
    head, body = bridge({"id": 8, "method": "GET", "url": f"/api/pictures/{picture}/scores"})
    scores = {each["index"]: each["logit"] for each in json.loads(body)["scores"]}
    wanted = net.scores(pictures[1])[0]
    assert torch.allclose(torch.tensor([scores[k] for k in range(len(wanted))]), wanted, atol=1e-4)
    sent = json.dumps({"method": "nothing"}).encode()
    head, body = bridge({"id": 9, "method": "POST", "url": "/api/results", "type": "application/json"}, sent)
    assert head["status"] == 400 and "no technique 'nothing'" in json.loads(body)["error"]
    studio.jobs.close()


def test_with_anywidget_the_cell_is_live(built_page: Path, net: cs.Classifier, pictures: cs.Images) -> None:
    widget = explore(net, pictures, height=500)
    sent: list[Any] = []
    widget.send = lambda content, buffers: sent.append((content, buffers))
    widget._asked(widget, {"id": 1, "method": "GET", "url": "/api/session"}, [])
    assert widget.height == 500 and "convsight: 'ask'" in widget.page
    assert sent[0][0]["status"] == 200 and json.loads(sent[0][1][0])["model"]["classes"] == list(net.classes)
    widget.studio.jobs.close()


def test_without_anywidget_the_cell_is_the_frozen_page(
    built_page: Path, net: cs.Classifier, pictures: cs.Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any, **also: Any) -> Any:
        if name == "anywidget":
            raise ModuleNotFoundError(name)
        return real(name, *more, **also)

    monkeypatch.setattr(builtins, "__import__", missing)
    shown = explore(net, pictures[:1])
    assert isinstance(shown, Frozen)
    monkeypatch.undo()
    drawn = shown._repr_html_()
    assert drawn.startswith('<iframe title="convsight studio"') and "id=&quot;frozen&quot;" in drawn
    shown.studio.jobs.close()


def test_it_is_a_name_of_the_package() -> None:
    assert cs.explore is explore


def test_nothing_to_look_at_is_said_in_words(net: cs.Classifier) -> None:
    with pytest.raises(InputError, match="needs pictures or a data set"):
        explore(net)
