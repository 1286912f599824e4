"""The OpenAPI that the page's types are made from is current, and the server keeps to it whatever is sent."""

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks

from convsight.studio.app import create_app
from tests.studio.conftest import open_studio

COMMITTED = Path(__file__).parents[2] / "web" / "src" / "gen" / "openapi.json"
LEFT_OUT = (
    "/api/train",
    "/api/runs/{name}/resume",
    "/api/audit",
    "/api/check",
    "/api/live",
)  # POST would start real work


def test_the_committed_openapi_is_the_servers():
    """If this fails: python -m convsight.studio.openapi > web/src/gen/openapi.json, then npm run types in web/."""
    assert json.loads(COMMITTED.read_text()) == create_app(None).openapi()


OPERATIONS = [
    (path, method)
    for path, methods in create_app(None).openapi()["paths"].items()
    for method in methods
    if path not in LEFT_OUT or method == "get"
    if not path.endswith("/events")
]
CHECKS = [
    checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def described(run_folder):
    app = create_app(open_studio(run_folder), hosts=("*",))

    async def running(scope, receive, send):
        """The application between start and stop: each of schemathesis' requests starts and stops it anew."""
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for answer in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{answer}.complete"})

    return schemathesis.openapi.from_asgi("/api/openapi.json", running)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_server_keeps_to_its_openapi(described, path, method):
    """Never a 5xx, and every answer of the announced type and shape, whatever is asked."""

    @settings(
        max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=described[path][method].as_strategy())
    def asked(case):
        case.call_and_validate(checks=CHECKS)

    asked()
