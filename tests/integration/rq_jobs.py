"""Jobs for comparing records: each writes down how RQ's keys look while it runs."""

import json
import os

import redis

from tests.integration.rq_keys import read_keys


def look(url: str, path: str) -> None:
    """Run well."""
    with redis.Redis.from_url(url) as client, open(path, "w") as file:  # noqa: PTH123
        json.dump(read_keys(client), file)


def fail(url: str, path: str) -> None:
    """Run badly."""
    look(url, path)
    raise ValueError(os.path.basename(path))  # noqa: PTH119
