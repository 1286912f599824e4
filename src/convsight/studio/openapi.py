"""Print the OpenAPI document that the page's types are generated from."""

import json

from convsight.studio.app import create_app

print(json.dumps(create_app(None).openapi(), indent=1, sort_keys=True))
