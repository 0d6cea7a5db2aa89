"""The skill's tests: no Redis, no network, no DingTalk."""

from datetime import datetime

import httpx
from acme_morning_report import ReportSettings, plot, report, skill

from dingda.skill import CHINA, Group, Markdown
from dingda.testing import MemoryMedia, Outcome, Pushes, tick

SETTINGS = [ReportSettings(url="http://tickets.example")]
MONDAY = datetime(2026, 11, 30, 9, tzinfo=CHINA)


def tickets(_: httpx.Request) -> httpx.Response:
    """Play the ticket system."""
    return httpx.Response(200, json={"支付组": 3, "风控组": 5})


async def test_the_group_gets_the_numbers_and_the_plot() -> None:
    media, pushes = MemoryMedia(), Pushes()
    ended = await tick(
        skill,
        report,
        at=MONDAY,
        settings=SETTINGS,
        transport=httpx.MockTransport(tickets),
        media=media,
        pushes=pushes,
    )
    assert ended.outcome is Outcome.ANSWERED
    ((media_id, (name, png)),) = media.uploaded.items()
    assert (name, png[:4]) == ("tickets.png", b"\x89PNG")
    (push,) = pushes
    assert push.target == Group("ops")
    assert push.reply == Markdown(
        "早报",
        f"### 11-30 未处理工单\n\n- 支付组：3 个\n- 风控组：5 个\n\n![各组未处理工单]({media_id})",
    )


async def test_a_ticket_system_that_refuses_is_no_report() -> None:
    pushes = Pushes()
    ended = await tick(
        skill,
        report,
        at=MONDAY,
        settings=SETTINGS,
        transport=httpx.MockTransport(lambda _: httpx.Response(401)),
        pushes=pushes,
    )
    assert ended.outcome is Outcome.DEAD
    assert list(pushes) == []


def test_the_plot_is_a_picture() -> None:
    assert plot({"支付组": 3}).startswith(b"\x89PNG")
