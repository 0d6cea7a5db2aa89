"""The Helm chart knows which settings are secrets; `make test-chart` tests the rest of it."""

import json
from pathlib import Path

from tests.support.settings import variables

SCHEMA = Path(__file__).parents[2] / "deploy" / "helm" / "dingda" / "values.schema.json"


def test_the_chart_refuses_each_secret_among_the_settings_that_anybody_may_read() -> None:
    definitions = json.loads(SCHEMA.read_text("utf-8"))["definitions"]
    assert variables(secret=True) - set(definitions["secretNames"]["enum"]) == set()
