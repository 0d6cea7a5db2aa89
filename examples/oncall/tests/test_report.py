"""The report: its answer, and that a second attempt goes on where the first one died."""

from datetime import date, datetime

import pytest
from acme_oncall import report
from acme_oncall.report import skill
from acme_oncall.settings import OnCallSettings
from sqlalchemy import NullPool, TextClause, create_engine, text

from dingda.skill import CHINA, Context, Markdown
from dingda.testing import Conversation, ask

SATURDAY = datetime(2026, 11, 28, 9, tzinfo=CHINA)


@pytest.fixture
def asked_days(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The days that the archive was asked for."""
    days: list[date] = []
    ask_archive = report.alerts_of

    async def alerts_of(day: date, ctx: Context, settings: OnCallSettings) -> int:
        days.append(day)
        return await ask_archive(day, ctx, settings)

    monkeypatch.setattr(report, "alerts_of", alerts_of)
    return days


REPORTS = text("SELECT count(*) FROM reports")
COUNTED = text("SELECT count(*) FROM report_days")


def count(settings: OnCallSettings, rows: TextClause) -> int:
    engine = create_engine(settings.database.get_secret_value(), poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(rows).scalar_one())


async def test_the_alerts_of_seven_days_are_counted(settings: OnCallSettings) -> None:
    reply = await ask(skill, "告警周报", settings=[settings], now=SATURDAY)
    assert isinstance(reply, Markdown)
    assert reply.title == "七天共 14 次告警"
    assert "- 11-21：1 次" in reply.text
    assert "- 11-27：" in reply.text


async def test_a_worker_dies_before_the_reply_and_nothing_is_counted_twice(
    settings: OnCallSettings, asked_days: list[date]
) -> None:
    reply = await ask(skill, "告警周报", settings=[settings], now=SATURDAY, crashes=1)
    assert isinstance(reply, Markdown)
    assert len(asked_days) == report.DAYS
    assert (count(settings, REPORTS), count(settings, COUNTED)) == (1, report.DAYS)


async def test_a_second_message_is_a_second_report(settings: OnCallSettings) -> None:
    chat = Conversation(skill, settings=[settings], now=SATURDAY)
    orders = [await chat.say("告警周报") for _ in range(2)]
    assert count(settings, REPORTS) == len(orders)


async def test_an_attempt_that_died_at_midnight_keeps_its_days(settings: OnCallSettings) -> None:
    first = await ask(skill, "告警周报", settings=[settings], now=SATURDAY)
    second = await ask(skill, "告警周报", settings=[settings], now=SATURDAY.replace(day=29))
    assert first == second
