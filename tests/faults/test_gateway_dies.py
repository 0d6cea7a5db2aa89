"""Gateways that are killed, flooded, and shown signatures of every age."""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from functools import partial

import httpx
import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import EMPTY, FaultEnvironment
from tests.faults.load import load
from tests.support.builders import KEYS, now_ms
from tests.support.processes import SECRET, signed, wait_until

TWO_HOURS_MS = 2 * 3_600_000


@pytest.mark.fault("F30")
def test_a_message_stored_by_a_gateway_that_died_before_acknowledging_is_answered_once(
    env: FaultEnvironment,
) -> None:
    body = env.body("text")
    with env.gateway(DINGDA_FAILPOINTS="after-accept=kill") as (doomed, address):
        with pytest.raises(httpx.RemoteProtocolError):
            env.post(body, address=address)
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker():
        assert env.post(body).json() == EMPTY  # DingTalk delivers again
        env.expect_ends(answered=1)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F31")
async def test_a_callback_delivered_a_thousand_times_makes_one_reply(
    env: FaultEnvironment, figure: Figure
) -> None:
    body, headers = env.body("text"), signed()
    with env.gateway() as (_, other), env.worker():
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            acks = await asyncio.gather(
                *(
                    client.post((env.address, other)[n % 2], content=body, headers=headers)
                    for n in range(1000)
                )
            )
        assert {ack.text for ack in acks} == {'{"msgtype":"empty"}'}
        env.expect_ends(answered=1)
    with env.server.client() as client:
        (key,) = client.scan_iter(KEYS.ended("*"))
        known_s = int(client.ttl(key))
    assert known_s * 1000 > TWO_HOURS_MS
    figure("1000 deliveries", f"1 reply, known for another {known_s / 3600:.1f} h")


@pytest.mark.slow
@pytest.mark.fault("F31")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("again_after_s", [1, 16, 60])
def test_a_callback_delivered_again_while_its_answer_is_made_and_afterwards_makes_one_reply(
    env: FaultEnvironment, again_after_s: int
) -> None:
    body = env.body(f"慢 {again_after_s + 3}")
    with env.worker(DINGDA_SKILL_TIMEOUT="90"):
        for pause_s in (0, again_after_s, 0):
            time.sleep(pause_s)
            assert env.post(body).json() == EMPTY
        env.webhook.wait_for(1)
        time.sleep(again_after_s)
        assert env.post(body).json() == EMPTY
        env.expect_ends(answered=1)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F32")
def test_slow_and_huge_and_deep_requests_do_not_keep_others_waiting(
    env: FaultEnvironment, figure: Figure
) -> None:
    host, port = "127.0.0.1", httpx.URL(env.address).port
    assert port is not None
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed().items())
    half = f"POST /dd_robot/ HTTP/1.1\r\nhost: dingda\r\n{headers}content-length: 500\r\n\r\n{{"
    with env.worker(), contextlib.ExitStack() as stack:
        for number in range(500):
            slow = stack.enter_context(socket.create_connection((host, port)))
            slow.sendall(half[: 40 + number].encode())
        attack = threading.Thread(target=_send_rubbish, args=(env.address,))
        attack.start()
        with load(env, "text", per_s=20) as sent:
            attack.join()
            time.sleep(4)
        env.expect_ends(answered=len(sent.acks))
    assert sent.outcomes == {"stored": len(sent.acks)}
    figure("ack p99 meanwhile", f"{sent.percentile_s(0.99) * 1000:.0f} ms")


def _send_rubbish(address: str) -> None:
    for body in (b"x" * 20_000_000, b"[" * 60_000, b'{"a":' * 10_000) * 3:
        with contextlib.suppress(httpx.HTTPError):
            response = httpx.post(address, content=body, headers=signed(), timeout=10)
            assert 400 <= response.status_code < 500


@pytest.mark.fault("F35")
def test_no_callback_is_refused_while_a_secret_is_rotated(
    env: FaultEnvironment, figure: Figure
) -> None:
    secrets = ("the-next-secret", SECRET)
    with env.worker(), env.gateway(DINGDA_APP_SECRET=",".join(secrets)) as (_, both):
        env.address = both
        for secret in secrets:
            with load(env, "text", per_s=50, headers=partial(signed, secret=secret)) as sent:
                wait_until(lambda: len(sent.acks) >= 50)
            assert sent.outcomes == {"stored": len(sent.acks)}
            figure("signed with either secret", f"0 of {len(sent.acks)} refused")
        wait_until(lambda: env.counts().open == 0)
        env.expect_ends(answered=env.counts().accepted)


@pytest.mark.fault("F35")
@pytest.mark.parametrize("skew_ms", [-TWO_HOURS_MS, TWO_HOURS_MS])
def test_a_callback_signed_two_hours_off_is_refused(env: FaultEnvironment, skew_ms: int) -> None:
    headers = signed(timestamp=now_ms() + skew_ms)
    assert httpx.post(env.address, content=env.body("text"), headers=headers).status_code == 401
    headers = signed(secret="an-old-secret")
    assert httpx.post(env.address, content=env.body("text"), headers=headers).status_code == 401
    env.expect_ends()
