"""The settings of an author's own skills reach the containers by `.env`, whatever their names."""

import re
from pathlib import Path

from dingda.shared.runtime.secret_files import secret_variables
from dingda.worker.operations.dashboard.settings import DashboardSettings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text("utf-8")
TEMPLATE = (ROOT / "dingda/template/docker-compose.yml.tmpl").read_text("utf-8")
ENV_FILE = """\
    env_file:
      - path: .env
        required: false
"""


def service(name: str) -> str:
    """What docker-compose.yml says of a service."""
    found = re.search(rf"^  {name}:\n(?:^    .*\n|^$\n)+", COMPOSE, re.MULTILINE)
    assert found is not None
    return found[0]


def test_the_workers_have_all_of_the_env_file_where_there_is_one() -> None:
    assert ENV_FILE in service("worker")


def test_no_other_container_has_what_is_the_skills() -> None:
    assert COMPOSE.count("env_file") == 1


def test_the_passwords_of_the_dashboard_are_kept_from_the_workers_all_the_same() -> None:
    passwords = secret_variables(DashboardSettings)
    assert passwords
    for name in passwords:
        assert f'      {name}: ""\n' in service("worker")


def test_every_container_of_a_new_package_has_all_of_its_env_file() -> None:
    bot = re.search(r"^x-bot: &bot\n(?:^  .*\n)+", TEMPLATE, re.MULTILINE)
    assert bot is not None
    assert "  env_file: .env\n" in bot[0]
    for name in ("gateway", "stream", "worker"):
        assert f"  {name}:\n    <<: *bot\n" in TEMPLATE


def test_a_new_package_is_deployed_with_the_same_redis_and_the_same_bounds() -> None:
    redis = re.search(r"^    command: >-\n(?:^      .*\n)+", service("redis"), re.MULTILINE)
    assert redis is not None
    lines = redis[0].splitlines()
    for name in ("SENDER", "CONVERSATION"):
        limit = re.search(rf"DINGDA_{name}_LIMIT: (\S+)", COMPOSE)
        assert limit is not None
        lines.append(f"DINGDA_{name}_LIMIT: ${limit[1]}")
    lines += ["cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "read_only: true"]
    assert [line for line in lines if line not in TEMPLATE] == []
