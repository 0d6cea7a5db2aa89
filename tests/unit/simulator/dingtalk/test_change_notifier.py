import asyncio
import time

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier


async def test_what_is_true_already_is_not_waited_for() -> None:
    await ChangeNotifier().wait_until(lambda: True, wait_s=60)


async def test_a_waiting_task_checks_again_at_every_announcement() -> None:
    changes, news = ChangeNotifier(), list[str]()
    waiting = asyncio.create_task(changes.wait_until(lambda: "wanted" in news, wait_s=60))
    for item in ("other", "wanted"):
        await asyncio.sleep(0.01)
        assert not waiting.done()
        news.append(item)
        await changes.announce()
    await waiting


async def test_a_wait_ends_after_its_time() -> None:
    began_s = time.monotonic()
    await ChangeNotifier().wait_until(lambda: False, wait_s=0.02)
    assert time.monotonic() - began_s >= 0.02


async def test_no_wait_outlasts_its_closing() -> None:
    changes = ChangeNotifier()
    waiting = asyncio.create_task(changes.wait_until(lambda: False, wait_s=60))
    await asyncio.sleep(0.01)
    await changes.close()
    await waiting
    await changes.wait_until(lambda: False, wait_s=60)
