"""A little of `make fuzz`: whatever is typed or answered ends in what is declared."""

import pytest

from scripts.fuzz_worker import Findings, fuzz_worker

pytestmark = pytest.mark.heavy

ROUNDS = 60


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("seed", range(1, 5))
async def test_nothing_typed_and_nothing_answered_breaks_a_skill(seed: int) -> None:
    def is_enough(findings: Findings) -> bool:
        return findings.tried["replies"] >= ROUNDS

    findings = await fuzz_worker(seed, until=is_enough)
    assert findings.wrong == []
    assert findings.tried["texts"] > ROUNDS
    assert findings.tried["deliveries"] == 2 * ROUNDS
