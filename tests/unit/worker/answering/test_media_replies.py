"""Pictures and files as answers: by which channel, and as what."""

import json

import pytest

from dingda.skill import Context, FileMessage, Image, MediaId, Skill
from dingda.testing import MemoryMedia, Outcome, People, ask, listen
from dingda.worker.delivery.private import to_private_body

UPLOAD = MediaId("@lALplot")


def a_skill(*, private: bool) -> Skill:
    skill = Skill("report", summary="周报", private=private)

    @skill.command("周报")
    async def report(ctx: Context) -> FileMessage:
        return FileMessage(await ctx.upload(b"...", "周报.xlsx"), "周报.xlsx")

    return skill


@pytest.mark.parametrize("group", [True, False])
async def test_a_file_cannot_go_by_the_session(*, group: bool) -> None:
    response = await listen(a_skill(private=False), "周报", group=group, media=MemoryMedia())
    assert response is not None
    assert response.completion.outcome is Outcome.DEAD
    assert "give it to ctx.push" in response.completion.full_reason


async def test_a_private_answer_in_a_group_may_be_a_file() -> None:
    media = MemoryMedia()
    reply = await ask(a_skill(private=True), "周报", media=media, dingtalk=People())
    assert reply == FileMessage(MediaId(next(iter(media.uploaded))), "周报.xlsx")


async def test_without_an_account_the_sender_hears_that_an_administrator_must_look() -> None:
    response = await listen(a_skill(private=False), "周报")
    assert response is not None
    assert "请联系管理员" in json.dumps(response.reply.to_payload(), ensure_ascii=False)


@pytest.mark.parametrize(
    ("reply", "key", "values"),
    [
        (
            Image("https://a.example/1.png"),
            "sampleImageMsg",
            {"photoURL": "https://a.example/1.png"},
        ),
        (Image(UPLOAD), "sampleMarkdown", {"title": "图片", "text": "![](@lALplot)"}),
        (
            FileMessage(UPLOAD, "周报.xlsx"),
            "sampleFile",
            {"mediaId": UPLOAD, "fileName": "周报.xlsx", "fileType": "xlsx"},
        ),
    ],
)
def test_a_robots_message_is_made_by_dingtalks_template(
    reply: Image | FileMessage, key: str, values: dict[str, str]
) -> None:
    body = json.loads(to_private_body(reply))
    assert (body["msgKey"], json.loads(body["msgParam"])) == (key, values)
