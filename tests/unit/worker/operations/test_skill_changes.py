"""What `dingda worker --reload` watches, and what counts as a change that loads."""

from pathlib import Path

import psutil
import pytest

from dingda.shared.errors import DingdaError
from dingda.worker.operations import skill_changes
from dingda.worker.operations.skill_changes import SkillChanges, can_be_loaded, watched_folders
from tests.support.environment import Environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_all_of_a_package_is_watched_whichever_of_its_modules_has_the_skill(folder: Path) -> None:
    for name in ("acme_canteen", "acme_canteen/menu", "acme_canteen/__pycache__"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    found = watched_folders(["acme_canteen.menu.today"])
    assert found == [folder / "acme_canteen", folder / "acme_canteen" / "menu"]


def test_of_a_lone_module_its_folder_is_watched_and_nothing_in_it(folder: Path) -> None:
    (folder / "acme_dice.py").touch()
    (folder / "data").mkdir()
    assert watched_folders(["acme_dice"]) == [folder]


def test_a_module_that_is_not_there_yet_is_expected_in_the_current_folder(folder: Path) -> None:
    assert watched_folders(["acme_not_written"]) == [folder]


def test_of_ours_the_shipped_skills_are_watched() -> None:
    found = watched_folders(["dingda.worker.skills.demo"])
    assert {"skills", "weather"} <= {each.name for each in found}
    assert "answering" not in {each.name for each in found}


def test_a_package_that_fails_to_import_is_watched_as_well(folder: Path) -> None:
    (folder / "acme_broken").mkdir()
    (folder / "acme_broken" / "__init__.py").write_text("raise SystemExit")
    assert watched_folders(["acme_broken.skill"]) == [folder / "acme_broken"]


def test_without_what_watches_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(skill_changes, "find_spec", lambda _: None)
    with pytest.raises(DingdaError, match=r"pip install 'dingda\[demo\]'"):
        SkillChanges(Environment(monkeypatch).settings(APP_SECRET="x"))


@pytest.mark.heavy
async def test_a_module_that_was_missing_before_holds_up_no_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from dingda.skill import Skill\nskill = Skill('dice', summary='骰子')\n"
    (folder / "acme_dice.py").write_text(source)
    Environment(monkeypatch).settings(APP_SECRET="x", SKILLS="acme_dice,acme_missing")
    assert await can_be_loaded(but=["acme_missing"])


@pytest.mark.heavy
async def test_a_module_that_ends_the_process_when_imported_cannot_be_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "acme_dice.py").write_text("import os\nos._exit(0)\n")
    Environment(monkeypatch).settings(APP_SECRET="x", SKILLS="acme_dice")
    assert not await can_be_loaded()
    assert "a module ends the process that imports it (exit status 0)" in caplog.text


async def test_a_module_that_takes_for_ever_to_load_is_given_up_and_its_process_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "acme_endless.py").write_text("import time\n\ntime.sleep(5)\n")
    Environment(monkeypatch).settings(APP_SECRET="x", SKILLS="acme_endless")
    monkeypatch.setattr(skill_changes, "_LOADED_WITHIN_S", 0.1)
    before = psutil.Process().children()
    assert not await can_be_loaded()
    assert psutil.Process().children() == before
