"""The pytest plugin, as the author of a skill uses it in a folder of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

PLUGIN = "dingda.pytest_plugin"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFTEST = """
import pytest


@pytest.fixture(scope="session")
def dingda_settings():
    return {"DINGDA_SKILLS": "coffee,bill"}
"""
BILL = """
from dingda.skill import Skill

skill = Skill("bill", summary="查账单", private=True)


@skill.command("账单")
def bill() -> str:
    return "欠 8 元"
"""
COFFEE = """
import asyncio
import logging
import os
from pathlib import Path
from urllib.parse import urlsplit

from dingda.skill import Context, File, Question, Skill, Text, User

DRIPPED = Path(__file__).with_name("dripped")
logger = logging.getLogger(__name__)
skill = Skill("coffee", summary="来一杯咖啡")


@skill.command("咖啡")
async def brew(ctx: Context) -> Text:
    await asyncio.sleep(0.2)
    return Text("咖啡好了", at=ctx.mention)


@skill.command("手冲")
async def pour(ctx: Context) -> str:
    logger.info("pouring")
    while not DRIPPED.exists():
        await asyncio.sleep(0.05)
    return "滴完了"


@skill.command("通知")
async def call(ctx: Context) -> str:
    await ctx.push(User(ctx.staff_id), "来取")
    return "叫了"


@skill.command("咖啡单")
def menu() -> Text:
    return Text("\\n".join(f"{number} 号：美式" for number in range(2500)))


@skill.command("什么")
def ask_back() -> Question:
    return Question("冷的热的？", then=pick, choices=("冷", "热"))


@skill.step
async def pick(which: str, ctx: Context) -> str:
    await ctx.push(User(ctx.staff_id), f"{which}的来取")
    return f"{which}的"


@skill.command("日历")
async def day(ctx: Context) -> str:
    url = os.environ["DINGDA_OPEN_METEO_URL"]
    query = {"latitude": 40, "longitude": 116, "daily": "weather_code", "forecast_days": 1}

    async def fetch() -> str:
        got = await ctx.services.http.json("天气", "GET", f"{url}/v1/forecast", params=query)
        return got.data["daily"]["time"][0]

    day = await ctx.services.cache.remember("today", fetch, ttl_s=600)
    return f"{ctx.now:%H:%M}，{urlsplit(url).netloc} 说是 {day}"


@skill.command("豆单")
async def beans(file: File, ctx: Context) -> str:
    return f"{file.name}: {(await ctx.download(file)).content.decode()}"
"""
TESTS = """
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

import dingda.testing
import httpx
import pytest
from coffee import DRIPPED, skill
from dingda.simulator.dingtalk.copied import Copied
from dingda.simulator.dingtalk.export import as_test
from dingda.simulator.dingtalk.transcript import Entry, Transcript
from dingda.skill import CHINA
from dingda.testing import CallbackFault, Mentioned, Quotation, ReplyFault, UserMessage, staff_id_of
from tests.support.public_examples import NEED_A_BOT, example_of, failures_of


def test_coffee_is_ready_and_says_for_whom(dingtalk):
    record = dingtalk.ask("咖啡", sender="李四")
    assert record.shown[0].notified == (staff_id_of("李四"),)


def test_a_long_reply_is_waited_for_to_its_last_part(dingtalk):
    assert len(dingtalk.ask("咖啡单").shown) == 3


def test_nobody_makes_tea(dingtalk):
    record = dingtalk.ask("茶")
    assert (record.shown, record.story.state) == ((), "unmatched")


def test_a_shown_reply_comes_with_what_the_worker_did(dingtalk):
    told = dingtalk.ask("咖啡").inspection
    assert (told.skill, told.command, dict(told.arguments)) == ("coffee", "咖啡", {})


def test_the_log_of_a_message_is_in_its_record(dingtalk):
    record = dingtalk.ask("咖啡")
    log = dingtalk.wait_until(lambda: dingtalk.look(record).inspection.log)
    assert log[-1].text.startswith("answered")


def test_the_skills_of_the_bot_are_offered(dingtalk, dingtalk_url):
    dingtalk.ask("咖啡")
    offered = httpx.get(f"{dingtalk_url}/api/skills", trust_env=False).json()["skills"]
    assert [skill["name"] for skill in offered] == ["coffee", "bill", "help"]
    assert [each["text"] for each in offered[0]["commands"]][:2] == ["咖啡", "手冲"]


def save(dingtalk_url, path):
    path.write_bytes(httpx.get(f"{dingtalk_url}/api/transcript", trust_env=False).content)
    return path


def forget(dingtalk, dingtalk_url):
    def is_empty():
        httpx.delete(f"{dingtalk_url}/api/messages", trust_env=False)
        return not dingtalk.records()

    dingtalk.wait_until(is_empty)


def test_a_saved_transcript_runs_as_a_test(dingtalk, dingtalk_url, tmp_path):
    forget(dingtalk, dingtalk_url)
    dingtalk.ask("咖啡", sender="李四")
    dingtalk.ask("茶", single=True)
    dingtalk.ask("什么", single=True)
    dingtalk.ask("冷", single=True)
    record = dingtalk.ask("通知", sender="李四")
    dingtalk.wait_until(lambda: dingtalk.pushed_after(record, to="李四"))
    path = save(dingtalk_url, tmp_path / "chat.json")
    replayed = dingtalk.replay(path)
    assert [record.said.text for record in replayed] == ["咖啡", "茶", "什么", "冷", "通知"]


def test_a_replay_fails_where_another_reply_is_shown(dingtalk, dingtalk_url, tmp_path):
    forget(dingtalk, dingtalk_url)
    dingtalk.ask("咖啡")
    path = save(dingtalk_url, tmp_path / "chat.json")
    path.write_text(path.read_text("utf-8").replace("好了", "没了"), "utf-8")
    with pytest.raises(AssertionError, match="张三, 1: 咖啡"):
        dingtalk.replay(path)
    dingtalk.replay(path, ignore=["[好没]了"])


NOON = datetime(2026, 2, 3, 12, tzinfo=CHINA)
THEN = f"12:00，127.0.0.1:1 说是 2026-02-03"


def test_the_clock_of_skills_and_of_the_simulated_weather_can_be_set(dingtalk):
    now = dingtalk.ask("日历").text
    with dingtalk.clock_at(NOON):
        assert dingtalk.ask("日历").text == f"12:00，{dingtalk.host} 说是 2026-02-03"
    assert dingtalk.ask("日历").text[-10:] == now[-10:] != "2026-02-03"


def test_a_test_that_was_copied_on_another_day_at_another_port_passes(dingtalk):
    record = dingtalk.ask("日历")
    payload = {"msgtype": "text", "text": {"content": THEN}}
    copied = Copied(
        replace(
            record,
            sent_at_ms=int(NOON.timestamp() * 1000),
            stories=(),
            replies=(replace(record.replies[0], payload=payload),),
        ),
        host="127.0.0.1:1",
    )
    text = as_test(copied, lambda _: None)
    run_copied(text, dingtalk)
    with pytest.raises(AssertionError):
        run_copied(text.replace("02-03T12", "02-04T12"), dingtalk)


def test_a_transcript_of_another_day_at_another_port_runs_as_a_test(dingtalk, tmp_path):
    payload = {"msgtype": "text", "text": {"content": THEN}}
    before = Entry(UserMessage("茶"))
    entry = Entry(UserMessage("日历"), (payload,), gap_ms=60_000)
    began = NOON - timedelta(minutes=1)
    path = tmp_path / "chat.json"
    path.write_bytes(Transcript(1, (before, entry), began, "127.0.0.1:1").to_json())
    dingtalk.replay(path)


def test_twice_delivered_is_once_answered(dingtalk):
    record = dingtalk.say(UserMessage("咖啡"))
    dingtalk.redeliver(record)
    assert len(dingtalk.look(record, wait_s=5).shown) == 1


def test_too_late_is_too_late(dingtalk):
    record = dingtalk.expire(dingtalk.say(UserMessage("手冲")))
    DRIPPED.touch()
    record = dingtalk.look(record, wait_s=20)
    DRIPPED.unlink()
    assert [reply.errcode for reply in record.replies] == [300001]


def test_a_bad_day_ends_with_its_block(dingtalk):
    with dingtalk.faults(callbacks=CallbackFault.WRONG_SIGNATURE):
        assert dingtalk.ask("咖啡").ack.status == 401
    with dingtalk.faults(replies=ReplyFault.REFUSE):
        assert dingtalk.ask("咖啡").story.reason.startswith("failed")
    assert dingtalk.ask("咖啡").shown


def test_a_worker_that_is_killed_is_followed_by_one_that_answers_once(dingtalk):
    record = dingtalk.say(UserMessage("手冲"))
    dingtalk.wait_until(lambda: dingtalk.look(record).inspection.log)
    dingtalk.kill_worker(during=record)
    DRIPPED.touch()
    record = dingtalk.look(record, wait_s=60)
    assert [reply.text for reply in record.shown] == ["滴完了"]
    assert record.story.lease_count == 2
    told = [line.text for line in record.inspection.log]
    assert told.count("pouring") == 2


def test_a_push_is_read_where_it_came(dingtalk):
    record = dingtalk.ask("通知", sender="李四")
    (push,) = dingtalk.pushed_after(record, to="李四", count=1)
    assert (record.text, push.text) == ("叫了", "来取")
    assert dingtalk.pushed_after(record, to="张三") == []


def test_a_dialogue_is_held_message_by_message(dingtalk):
    assert "冷的热的？" in dingtalk.ask("什么").text
    assert dingtalk.ask("热").text == "热的"


async def test_it_serves_async_tests_as_well(dingtalk):
    assert dingtalk.ask("咖啡").shown


def copied_test(record, url):
    path = f"{url}/api/messages/{quote(record.msg_id, safe='')}/test"
    return httpx.get(path, trust_env=False).raise_for_status().text


def run_copied(text, dingtalk):
    made = {}
    exec(text, made)
    (test,) = (each for name, each in made.items() if name.startswith("test_"))
    test(dingtalk)


@pytest.mark.parametrize(
    "message",
    [
        UserMessage("咖啡", sender="李四", single=True),
        UserMessage("咖啡", group="二楼", mentioned=(Mentioned("李四"),), at_all=True),
        UserMessage("", kind="richText", runs=("@钉答", "咖", "啡"), pictures=1),
        UserMessage("咖啡", quoted=Quotation("喝什么", sender="李四"), client="HarmonyOS"),
        UserMessage("咖啡", kind="audio"),
        UserMessage("", kind="picture", single=True),
        UserMessage("茶", external=True),
        UserMessage("", kind="audio", single=True),
        UserMessage("", kind="video", single=True),
        UserMessage("单.pdf", kind="file", single=True),
        UserMessage("李四：咖啡", kind="chatRecord", single=True),
        UserMessage("", kind="interactiveCard", single=True),
        UserMessage("咖啡", kind="markdown", published=False),
        UserMessage("咖啡", mentioned=(Mentioned("李四", staff_id=""),), client="iOS"),
        UserMessage("咖啡\\n\\"'\\x00", sender='O"Neil', quoted=Quotation("好")),
        UserMessage("咖啡", mention=False),
    ],
)
def test_a_copied_test_passes(message, dingtalk, dingtalk_url):
    record = dingtalk.look(dingtalk.say(message), wait_s=20)
    run_copied(copied_test(record, dingtalk_url), dingtalk)


@pytest.mark.parametrize("verbatim", [False, True])
def test_a_copied_test_of_a_whole_callback_passes(verbatim, dingtalk, dingtalk_url):
    callback = {"conversationType": "1", "msgtype": "text", "text": {"content": "咖啡"}}
    record = dingtalk.ask_raw(callback, verbatim=verbatim)
    run_copied(copied_test(record, dingtalk_url), dingtalk)


def test_a_copied_test_says_what_led_to_the_answer_and_expects_the_pushes(dingtalk, dingtalk_url):
    dingtalk.ask("咖啡", sender="王五")
    dingtalk.ask("什么", sender="王五")
    record = dingtalk.ask("冷", sender="王五")
    dingtalk.pushed_after(record, to="王五", count=1)
    text = copied_test(record, dingtalk_url)
    assert "dingtalk.ask('什么', sender='王五')" in text
    assert "dingtalk.ask('咖啡'" not in text
    assert "pushed = dingtalk.pushed_after(record, to='王五', count=1)" in text
    run_copied(text, dingtalk)
    with pytest.raises(AssertionError):
        run_copied(text.replace("冷的来取", "热的来取"), dingtalk)


def test_a_copied_test_brings_its_file(dingtalk, dingtalk_url):
    file = dingtalk.give_file("豆单.txt", b"arabica")
    record = dingtalk.ask("豆单.txt", kind="file", single=True, file=file)
    assert record.text == "豆单.txt: arabica"
    text = copied_test(record, dingtalk_url)
    assert "file=dingtalk.give_file('豆单.txt', b'arabica')" in text
    run_copied(text, dingtalk)


def test_a_copied_private_answer_is_expected_in_the_single_chat(dingtalk, dingtalk_url):
    record = dingtalk.ask("账单", sender="李四")
    text = copied_test(record, dingtalk_url)
    assert "[{'msgtype': 'text', 'text': {'content': '欠 8 元'}}]" in text
    run_copied(text, dingtalk)


@pytest.mark.parametrize("name", sorted(NEED_A_BOT))
def test_the_example_of_a_public_name_runs(name, dingtalk, dingtalk_url):
    example = example_of(dingda.testing, name, dingtalk=dingtalk, url=dingtalk_url)
    assert failures_of(example) == ""


async def test_a_skill_can_be_asked_alone(ask_skill):
    assert (await ask_skill(skill, "咖啡")).content == "咖啡好了"
"""


CHAT = """
{
  "version": 1,
  "messages": [
    {
      "said": {"text": "咖啡", "single": true},
      "replies": [{"msgtype": "text", "text": {"content": "咖啡好了，趁热喝"}}]
    }
  ]
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for modules, where Dingda is installed as far as pytest can tell."""
    info = tmp_path / "dingda-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dingda\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    return tmp_path


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skill_is_tested_with_the_whole_bot_behind_it(folder: Path) -> None:
    modules = {"conftest": CONFTEST, "coffee": COFFEE, "bill": BILL, "test_coffee": TESTS}
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    ended = run_pytest(folder)
    assert ended.returncode == 0, ended.stdout
    passed = re.search(r"^(\d+) passed in", ended.stdout, re.MULTILINE)
    assert passed, ended.stdout
    assert int(passed[1]) >= TESTS.count("def test_")


def test_the_examples_in_the_docs_pass(folder: Path) -> None:
    readme, testing, cards, streaming = (
        _PYTHON.findall((ROOT / page).read_text("utf-8"))
        for page in ("README.md", "docs/testing.md", "docs/cards.md", "docs/streaming.md")
    )
    *_, conftest, canteen, of_canteen, of_leave, of_report, of_a_chat = testing
    modules = {
        "conftest": conftest.replace(
            '"canteen,bonus"',
            '"canteen,bonus,leave,coffee,report"',
        ),
        "bonus": next(code for code in testing if 'Skill("bonus"' in code),
        "leave": next(code for code in cards if 'Skill("leave"' in code),
        "coffee": next(code for code in readme if 'Skill("coffee"' in code),
        "canteen": canteen,
        "test_canteen": of_canteen,
        "test_chat": of_a_chat,
        "test_leave": of_leave,
        "report": next(code for code in streaming if 'Skill("report"' in code),
        "test_report": of_report,
    }
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    (folder / "chat.json").write_text(CHAT, "utf-8")
    ended = run_pytest(folder)
    assert ended.returncode == 0, ended.stdout
    tests = of_canteen + of_leave + of_report + of_a_chat
    assert f"{tests.count('def test_')} passed" in ended.stdout


def test_a_conftest_may_name_the_plugin_as_well(folder: Path) -> None:
    (folder / "conftest.py").write_text(f"pytest_plugins = ['{PLUGIN}']\n", "utf-8")
    test = "def test_it_is_loaded(dingda_settings):\n    assert dingda_settings == {}\n"
    (folder / "test_plugin.py").write_text(test, "utf-8")
    ended = run_pytest(folder)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


def test_a_bot_that_does_not_start_is_an_error_that_says_why(folder: Path) -> None:
    settings = CONFTEST.replace('"DINGDA_SKILLS": "coffee,bill"', '"DINGDA_REDIS_URL": "nonsense"')
    (folder / "conftest.py").write_text(settings, "utf-8")
    (folder / "test_coffee.py").write_text("def test_coffee(dingtalk):\n    pass\n", "utf-8")
    ended = run_pytest(folder)
    assert ended.returncode == 1
    assert "DINGDA_REDIS_URL" in ended.stdout
