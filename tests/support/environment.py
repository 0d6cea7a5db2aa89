"""An environment with the variables of a test, and no others of ours."""

import os

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.settings import Settings, load_settings


class Environment:
    """Reads the settings from an environment with these variables and no others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in os.environ:
            if name.upper().startswith("DINGDA_"):
                monkeypatch.delenv(name)

    def settings(self, **variables: str) -> Settings:
        for name, value in variables.items():
            self._monkeypatch.setenv(f"DINGDA_{name}", value)
        return load_settings(env_file=None)

    def complaint(self, **variables: str) -> str:
        with pytest.raises(SettingsError) as refusal:
            self.settings(**variables)
        return str(refusal.value)
