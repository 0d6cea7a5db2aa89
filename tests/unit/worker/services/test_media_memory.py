"""The memory for files: a download waits until earlier files are gone."""

import asyncio
import gc

import pytest

from dingda.shared.dingtalk.content import Picture
from dingda.skill import BackendBusyError
from dingda.worker.services.media_file import MediaFile
from dingda.worker.services.media_memory import MediaMemory

MIB = 1024 * 1024


async def held(memory: MediaMemory, mib: int) -> MediaFile:
    async with memory.room("storage") as room:
        file = MediaFile.of(Picture("code"), bytes(mib * MIB))
        room.keep_for(file)
        return file


async def test_a_download_waits_for_room_until_a_file_is_gone() -> None:
    memory = MediaMemory(max_mib=25)
    first = await held(memory, 10)
    second = asyncio.create_task(held(memory, 1))
    await asyncio.sleep(0)
    assert not second.done()
    del first
    gc.collect()
    async with asyncio.timeout(5):
        assert len((await second).content) == MIB


async def test_small_files_leave_room_for_others() -> None:
    memory = MediaMemory(max_mib=25, wait_s=0)
    files = [await held(memory, 1) for _ in range(6)]
    assert len(files) == 6


async def test_without_room_in_time_the_sender_hears_that_many_ask() -> None:
    memory = MediaMemory(max_mib=25, wait_s=0.01)
    file = await held(memory, 20)
    with pytest.raises(BackendBusyError):
        await held(memory, 1)
    del file


async def test_a_download_that_fails_gives_its_room_back() -> None:
    memory = MediaMemory(max_mib=20, wait_s=0.01)
    for _ in range(3):
        with pytest.raises(ValueError, match="the line broke"):
            async with memory.room("storage"):
                raise ValueError("the line broke")
    await held(memory, 1)


async def test_a_download_that_was_given_up_in_line_takes_no_room() -> None:
    memory = MediaMemory(max_mib=25)
    first = await held(memory, 20)
    waiting = asyncio.create_task(held(memory, 1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    del first
    gc.collect()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await held(memory, 20)


async def test_a_file_may_go_in_another_thread() -> None:
    memory = MediaMemory(max_mib=20)
    files = [await held(memory, 20)]
    await asyncio.to_thread(files.clear)
    async with asyncio.timeout(5):
        await held(memory, 20)
