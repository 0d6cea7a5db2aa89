"""Pictures and files as replies: what DingTalk would refuse is refused when they are made."""

import pytest

from dingda.shared.errors import InvalidReplyError
from dingda.skill import FileMessage, Image, MediaId, picture_markdown

UPLOAD = MediaId("@lADPDe7s2ySi18PNA6XNBXg")


@pytest.mark.parametrize("picture", [UPLOAD, "https://pictures.example/a.png?size=1&x=%20"])
def test_a_picture_is_an_upload_or_a_url(picture: str) -> None:
    assert Image(picture).to_payload()["markdown"]["text"] == f"![]({picture})"


@pytest.mark.parametrize(
    "picture",
    [
        "",
        "plot.png",
        "@",
        "@lAL)[点我](https://evil.example",
        "@lAL\n# 标题",
        "https://pictures.example/a)b",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user@pictures.example/a.png",
        f"https://pictures.example/{'a' * 2048}",
    ],
)
def test_anything_else_is_no_picture(picture: str) -> None:
    with pytest.raises(InvalidReplyError):
        Image(picture)
    with pytest.raises(InvalidReplyError):
        picture_markdown(picture, "图")


def test_the_words_of_a_picture_cannot_end_it_early() -> None:
    assert picture_markdown(UPLOAD, "a](https://evil.example)") == (
        f"![a］（https：//evil.example）]({UPLOAD})"
    )


@pytest.mark.parametrize("name", ["周报.xlsx", "a.PDF", "a.b.docx"])
def test_a_file_message_is_of_a_type_that_dingtalk_shows(name: str) -> None:
    assert FileMessage(UPLOAD, name).type in ("xlsx", "pdf", "docx")


@pytest.mark.parametrize("name", ["", "pdf", "a.exe", "a.csv", "a\n.pdf", f"{'a' * 200}.pdf"])
def test_a_file_message_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidReplyError, match=r"^file\.name"):
        FileMessage(UPLOAD, name)


def test_a_file_message_needs_an_upload() -> None:
    with pytest.raises(InvalidReplyError, match=r"^file\.media_id"):
        FileMessage(MediaId("https://files.example/a.pdf"), "a.pdf")
