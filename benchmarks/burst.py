"""Many people at one moment, and a weather service that takes a second.

`python -m benchmarks.burst --code DIR` measures another checkout, too, and shows both in one table,
with how a quick skill fares meanwhile (`benchmarks.fairness`).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from benchmarks import backend, fairness
from benchmarks.bot import Bot, a_bot, weather_questions
from benchmarks.candidates import DINGDA, SERVICE_TAKES_S, Server, a_server
from benchmarks.plan import QUICK, Plan
from benchmarks.processes import ROOT
from benchmarks.report import section
from benchmarks.samples import Column, Sample, Samples, Table

CITIES, SAME = 120, 100
_PLACES = 100

TABLE = Table(
    question="burst",
    title="Burst: many ask at one moment, and the weather service takes a second",
    note=f"The shipped weather skill in one worker process with {_PLACES} places, asked through "
    f"the gateway. *{CITIES} cities*: so many people ask for different cities. *The same*: {SAME} "
    "people ask for one city.",
    columns=(
        Column("answered", f"{CITIES} cities: answered"),
        Column("apologies", "apologies"),
        Column("per_s", "answers/s", 1),
        Column("last_s", "last after s", 1),
        Column("same_answered", "the same: answered"),
        Column("same_calls", "calls"),
        Column("same_last_s", "last after s", 1),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Measure this checkout, round after round."""
    with a_server(folder / "burst") as server:
        for number in range(plan.rounds):
            yield Sample("burst", DINGDA, number, uvloop.run(_measure(server, ROOT)))


async def _measure(server: Server, code: Path) -> dict[str, float]:
    async with a_bot(server, takes_s=SERVICE_TAKES_S, places=_PLACES, code=code) as bot:
        answered, last_s, heard = await _ask(bot, weather_questions(CITIES), "city")
        values = {
            "answered": answered,
            "apologies": heard - answered,
            "per_s": answered / last_s,
            "last_s": last_s,
        }
    async with a_bot(server, takes_s=SERVICE_TAKES_S, places=_PLACES, code=code) as bot:
        answered, last_s, _ = await _ask(bot, ["天气 北京"] * SAME, "same")
        calls = backend.ask(bot.service_port).calls
    return values | {"same_answered": answered, "same_calls": calls, "same_last_s": last_s}


async def _ask(bot: Bot, texts: Sequence[str], name: str) -> tuple[int, float, int]:
    """Ask at one moment: how many got an answer, seconds to the last reply, how many got one."""
    began_s = time.perf_counter()
    heard = await bot.wait_for(await bot.ask_all(texts, name))
    replies = [bot.replies[session] for session in heard]
    last_s = max((came_s for came_s, _ in replies), default=time.perf_counter()) - began_s
    return sum("℃" in text for _, text in replies), last_s, len(heard)


def main() -> int:
    """`python -m benchmarks.burst`: print the tables, one row for each checkout."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.burst", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--code", type=Path, action="append", default=[], help="another checkout, to compare with"
    )
    parser.add_argument("--rounds", type=int, default=1, help="of each (1)")
    arguments = parser.parse_args()
    codes = {path.resolve().name: path.resolve() for path in arguments.code} | {DINGDA: ROOT}
    samples = []
    with (
        tempfile.TemporaryDirectory(prefix="dingda-burst-") as folder,
        a_server(Path(folder) / "valkey") as server,
    ):
        for number in range(arguments.rounds):
            for name, code in codes.items():
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                samples.append(Sample("burst", name, number, uvloop.run(_measure(server, code))))
                samples += fairness.beside_neighbours(server, QUICK, number, code=code, name=name)
    shown = Samples(tuple(samples))
    print(section(shown, TABLE), section(shown, fairness.TABLE), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
