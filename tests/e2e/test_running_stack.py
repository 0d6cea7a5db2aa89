"""The stack that tests of skills run on, in a folder of a skill's author."""

from pathlib import Path

import httpx
import pytest

from dingda.simulator.testing.stack import a_running_stack


@pytest.mark.parametrize("mode", ["http", "stream"])
def test_it_runs_our_gateway_and_worker_whatever_else_is_called_so(
    mode: str, tmp_path: Path
) -> None:
    for name in ("gateway", "worker", "simulator", "shared"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    with a_running_stack(tmp_path, {"DINGDA_SIMULATOR_MODE": mode}) as stack:
        assert httpx.get(f"{stack.url}/api/health", trust_env=False).is_success
        assert httpx.get(f"{stack.url}/api/stream", trust_env=False).json()["mode"] == mode
