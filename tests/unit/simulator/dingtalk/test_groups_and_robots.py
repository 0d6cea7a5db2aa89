"""A message is sent in one of several groups, and to one of several robots."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.dingtalk.signature import verify
from dingda.simulator.dingtalk.callback import FRESH
from dingda.simulator.dingtalk.copied import Copied
from dingda.simulator.dingtalk.export import as_test
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.robots import RobotLabels, UnknownRobotError
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import Quotation, UserMessage
from tests.support.builders import callback_fields
from tests.support.simulator_harness import SIMULATOR_URL, Clock

FIRST = Robot("dingabc", name="小钉", secrets=("the first's", "its old one"))
SECOND = Robot("dinghr", name="人事助手", secrets=("the second's",))
THIRD = Robot("dingnameless", secrets=("the third's",))


@dataclass(frozen=True)
class Sent:
    """A callback, and its record."""

    callback: SignedCallback
    record: Record

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.callback.body)
        return fields

    @property
    def chat(self) -> str:
        chat: str = self.fields["conversationId"]
        return chat


class DingTalk:
    """A simulated DingTalk with three robots."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.simulation = Simulation(
            robots=(FIRST, SECOND, THIRD), public_url=SIMULATOR_URL, now_ms=self.clock
        )

    def say(self, **fields: Any) -> Sent:
        return self._sent(self.simulation.send(UserMessage("天气 北京", **fields)))

    def send_raw(self, fields: dict[str, Any] | None = None, *, verbatim: bool = False) -> Sent:
        body = json.dumps(callback_fields() if fields is None else fields).encode()
        return self._sent(self.simulation.send_raw(body, verbatim=verbatim))

    def _sent(self, callback: SignedCallback) -> Sent:
        record = self.simulation.record(callback.msg_id)
        assert record is not None
        return Sent(callback, record)

    def is_signed_by(self, robot: Robot, callback: SignedCallback) -> bool:
        stamp, sign = (callback.headers[name].encode() for name in ("timestamp", "sign"))
        secret = robot.secrets[0]
        verify(stamp, sign, secrets=[secret], now_ms=self.clock())
        return True


@pytest.fixture
def several() -> DingTalk:
    return DingTalk()


def test_each_group_has_an_id_and_a_title_of_its_own(several: DingTalk) -> None:
    usual, other = several.say(), several.say(group="值班群")
    assert (usual.fields["conversationTitle"], usual.record.said.group) == ("钉答演示群", "")
    assert (other.fields["conversationTitle"], other.record.said.group) == ("值班群", "值班群")
    assert other.chat == several.say(group="值班群", sender="李四").chat
    assert len({usual.chat, other.chat, several.say(group="项目群").chat}) == 3


def test_the_group_that_is_always_there_goes_by_its_title_too(several: DingTalk) -> None:
    named = several.say(group="钉答演示群")
    assert (named.chat, named.record.said.group) == (several.say().chat, "")


def test_a_group_is_known_by_its_id_once_somebody_has_spoken_in_it(several: DingTalk) -> None:
    other = several.say(group="值班群")
    assert several.simulation.group_of(other.chat) == "值班群"
    assert several.simulation.group_of(several.say().chat) == ""
    assert several.simulation.group_of(several.say(single=True).chat) is None
    assert several.simulation.group_of("cidNowhere==") is None


def test_what_the_bot_sends_to_a_group_shows_there(several: DingTalk) -> None:
    several.simulation.bot_sends.to_group({"msgtype": "empty"}, "值班群")
    several.simulation.bot_sends.card_to_group("card-1", "值班群")
    assert {record.said.group for record in several.simulation.records.since(0)} == {"值班群"}


@pytest.mark.parametrize(
    ("name", "robot"),
    [
        ("", FIRST),
        ("小钉", FIRST),
        ("人事助手", SECOND),
        ("dinghr", SECOND),
        ("dingnameless", THIRD),
    ],
)
def test_a_callback_has_the_code_of_the_robot_it_is_said_to_and_its_signature(
    several: DingTalk, name: str, robot: Robot
) -> None:
    sent = several.say(robot=name)
    assert sent.fields["robotCode"] == robot.code
    assert several.is_signed_by(robot, sent.callback)


def test_a_robot_goes_by_one_name_in_records_and_the_first_by_none(several: DingTalk) -> None:
    names = ("", "小钉", "dingabc", "人事助手", "dinghr", "dingnameless")
    shown = [several.say(robot=name).record.said.robot for name in names]
    assert shown == ["", "", "", "人事助手", "人事助手", "dingnameless"]
    assert several.simulation.robots.labels == RobotLabels(("小钉", "人事助手", "dingnameless"))


def test_a_single_chat_is_with_one_robot_and_a_group_with_all(several: DingTalk) -> None:
    assert several.say().chat == several.say(robot="人事助手").chat
    first, second = several.say(single=True), several.say(single=True, robot="人事助手")
    assert first.chat != second.chat


def test_the_robot_that_is_meant_is_the_one_that_is_mentioned_and_quoted(several: DingTalk) -> None:
    quoted = Quotation("北京：晴")
    first, second = (several.say(robot=name, quoted=quoted).fields for name in ("", "人事助手"))
    assert first["chatbotUserId"] != second["chatbotUserId"]
    for fields in (first, second):
        assert fields["atUsers"] == [{"dingtalkId": fields["chatbotUserId"]}]
        assert fields["text"]["repliedMsg"]["senderId"] == fields["chatbotUserId"]


@pytest.mark.parametrize(
    ("robot", "mention"), [("", "@小钉"), ("人事助手", "@人事助手"), ("dingnameless", "@钉答")]
)
def test_rich_text_mentions_a_robot_by_its_name(
    several: DingTalk, robot: str, mention: str
) -> None:
    runs = several.say(robot=robot, kind="richText").fields["content"]["richText"]
    assert runs == [{"text": mention}, {"text": "天气 北京"}]


def test_a_robot_that_does_not_exist_is_refused(several: DingTalk) -> None:
    with pytest.raises(UnknownRobotError, match="小盯; there are 小钉, 人事助手, dingnameless"):
        several.say(robot="小盯")


@pytest.mark.parametrize("verbatim", [False, True])
@pytest.mark.parametrize(
    ("code", "robot", "label"),
    [("dinghr", SECOND, "人事助手"), ("dingabc", FIRST, ""), ("normal", FIRST, "")],
)
def test_a_raw_callback_is_signed_by_the_robot_that_it_names_or_the_first(
    several: DingTalk, code: str, robot: Robot, label: str, *, verbatim: bool
) -> None:
    sent = several.send_raw(callback_fields(robotCode=code), verbatim=verbatim)
    assert several.is_signed_by(robot, sent.callback)
    assert sent.record.said.robot == label


def test_a_callback_that_is_sent_again_is_signed_by_the_same_robot(several: DingTalk) -> None:
    again = several.simulation.send_again(several.say(robot="人事助手").callback.msg_id)
    assert again is not None
    assert several.is_signed_by(SECOND, again)


def test_a_raw_callback_of_a_group_that_was_spoken_in_shows_there(several: DingTalk) -> None:
    chat = several.say(group="值班群").chat
    assert several.send_raw(callback_fields(conversationId=chat)).record.said.group == "值班群"
    assert several.send_raw().record.said.group == ""


def test_a_preview_is_the_callback_without_what_is_made_fresh(several: DingTalk) -> None:
    message = UserMessage("天气 北京", group="值班群", robot="人事助手", external=True)
    previewed = several.simulation.preview(message)
    assert several.simulation.records.since(0) == []
    sent = several.say(group="值班群", robot="人事助手", external=True).fields
    assert previewed == {name: sent[name] for name in sent if name not in FRESH}
    assert set(FRESH) == sent.keys() - previewed.keys()


def test_a_preview_that_is_sent_shows_in_its_group_though_nobody_has_spoken_there(
    several: DingTalk,
) -> None:
    for group in ("值班群", ""):
        previewed = several.simulation.preview(UserMessage("你好", group=group))
        assert several.send_raw(previewed).record.said.group == group


async def test_the_api_previews_a_callback_and_sends_nothing(
    http: httpx.AsyncClient, dingtalk: Simulation
) -> None:
    response = await http.post("/api/callbacks/preview", json={"text": "你好", "sender": "李四"})
    assert response.json()["senderNick"] == "李四"
    assert dingtalk.records.since(0) == []


def test_a_single_chat_is_in_no_group() -> None:
    with pytest.raises(ValueError, match="a single chat is in no group"):
        UserMessage("你好", single=True, group="值班群")


def test_a_copied_test_names_the_group_and_the_robot(several: DingTalk) -> None:
    record = several.say(group="值班群", robot="人事助手").record
    copied = as_test(Copied(record), lambda _: None)
    assert "dingtalk.ask('天气 北京', group='值班群', robot='人事助手')" in copied


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/callbacks/preview", {"text": "你好", "robot": "小盯"}),
        ("/api/messages", {"text": "你好", "robot": "小盯"}),
        ("/api/bursts", {"message": {"text": "你好", "robot": "小盯"}, "count": 2}),
    ],
)
async def test_the_api_refuses_a_robot_that_does_not_exist(
    http: httpx.AsyncClient, dingtalk: Simulation, path: str, body: dict[str, Any]
) -> None:
    response = await http.post(path, json=body)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("robot: none is called 小盯; there are ")
    assert dingtalk.records.since(0) == []
