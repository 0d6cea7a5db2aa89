"""What the simulator's process needs for Stream mode."""

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.settings import load_settings
from dingda.simulator.http import server
from dingda.simulator.settings import load_simulator_settings


def test_stream_mode_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DINGDA_APP_SECRET", "a secret")
    monkeypatch.setenv("DINGDA_SIMULATOR_MODE", "stream")
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    settings, bot = load_simulator_settings(env_file=None), load_settings(env_file=None)
    with pytest.raises(SettingsError, match=r"pip install 'dingda\[demo\]'"):
        server.serve(settings, bot)
