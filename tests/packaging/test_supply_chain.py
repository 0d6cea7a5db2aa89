"""What Dingda is built from: pinned, listed, audited and kept up to date."""

import json
import re
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOOLS = ("scripts/supply-chain", "tests/chart/requirements", "docs/site/requirements")
"""Locks of environments beside the developers' own."""


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_each_action_is_pinned_by_its_commit(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    used = re.findall(r"uses: (.+)", text)
    assert used
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [each for each in used if not pinned.fullmatch(each)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_each_workflow_says_which_rights_it_needs(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    assert re.search(r"^permissions:\n(  [\w-]+: (read|write)\n)+", text, re.MULTILINE)
    assert "secrets." not in text


def test_the_nightly_audit_may_only_read() -> None:
    text = (ROOT / ".github" / "workflows" / "audit.yml").read_text("utf-8")
    assert "\npermissions:\n  contents: read\njobs:" in text
    assert "\n    - cron:" in text
    assert "run: make audit" in text


def test_what_needs_the_internet_is_no_part_of_ci() -> None:
    assert "audit" not in (ROOT / ".ci" / "run").read_text("utf-8")


def test_an_audit_fails_if_a_package_could_not_be_looked_up() -> None:
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert "--strict" in recipe[1]


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_is_locked_with_a_hash(tool: str) -> None:
    wanted = re.findall(r"^([\w-]+)$", (ROOT / f"{tool}.in").read_text("utf-8"), re.MULTILINE)
    text = (ROOT / f"{tool}.txt").read_text("utf-8")
    entries = re.findall(r"^([\w.-]+)==\S.*\n((?:[ #].*\n)*)", text, re.MULTILINE)
    assert set(wanted) <= {name for name, _ in entries}
    assert [name for name, lines in entries if "--hash=sha256:" not in lines] == []


def test_both_stages_of_the_image_have_the_base_that_can_be_given_with_a_digest() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert text.index("\nARG PYTHON_IMAGE=") < text.index("\nFROM ")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases == ["${PYTHON_IMAGE}"] * 2


def test_no_image_is_the_latest() -> None:
    for page in ("Dockerfile", "docker-compose.yml", "dingda/template/docker-compose.yml.tmpl"):
        text = (ROOT / page).read_text("utf-8")
        images = re.findall(r"(?:image: |PYTHON_IMAGE=)(\S+)", text)
        theirs = [image for image in images if image not in {"dingda", "$name"}]
        assert theirs
        assert [image for image in theirs if not re.search(r":\d[\w.-]*", image)] == []


def test_images_and_actions_are_kept_up_to_date_by_their_digests() -> None:
    settings = json.loads((ROOT / "renovate.json").read_text("utf-8"))
    assert {"docker:pinDigests", "helpers:pinGitHubActionDigests"} <= set(settings["extends"])
    assert set(settings["enabledManagers"]) == {"dockerfile", "docker-compose", "github-actions"}
