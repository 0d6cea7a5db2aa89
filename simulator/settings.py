"""The simulator's own settings; those shared with the bot are in `shared.runtime.settings`.

Each is an environment variable that begins with `DINGDA_SIMULATOR_`, or a line in `.env`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import SettingsConfigDict

from dingda.shared.dingtalk.message import SESSION_LIFE_MS
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.shared.runtime.environment import check_env_file
from dingda.shared.runtime.plain_settings import PlainSettings, invalid_settings
from dingda.shared.runtime.settings import Settings

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is *not* to be dialled
"""Where to reach, on the same machine, a server that listens everywhere."""


def _url(url: str) -> str:
    try:
        origin_of(url)
    except InvalidOriginError as error:
        raise ValueError(f"{error}; write it as http://127.0.0.1:8100") from None
    return url


def _base_url(url: str) -> str:
    return _url(url).rstrip("/")


class SimulatorSettings(PlainSettings):
    """What the simulator's server and its clients read at their start."""

    model_config = SettingsConfigDict(env_prefix="DINGDA_SIMULATOR_")

    host: str = Field("127.0.0.1", description="The address that the simulator listens on.")
    port: int = Field(8100, ge=1, le=65535, description="The port that the simulator listens on.")
    url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        None, description="Where clients find the server. Empty: at its host and port."
    )
    public_url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        None,
        description="What sessionWebhooks begin with: where the worker reaches the simulator. "
        "Empty: its host and port.",
    )
    callback_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        description="The gateway's message-receiving address. "
        "Empty: what DINGDA_HOST, DINGDA_PORT and DINGDA_CALLBACK_PATH say.",
    )
    session_life_s: float = Field(
        SESSION_LIFE_MS / 1000,
        gt=0,
        le=86_400,
        description="Seconds that a session takes replies for.",
    )
    replies_per_minute: int = Field(
        20, ge=0, description="Replies that one conversation takes in a minute; 0 for any number."
    )

    openapi_qps: int = Field(
        20, ge=0, description="Calls that one OpenAPI takes in a second; 0 for any number."
    )
    openapi_monthly_calls: int = Field(
        5000, ge=0, description="Calls that the OpenAPI takes in all; 0 for any number."
    )

    inspection_file: Path | None = Field(
        None,
        description="A private file in which workers on this machine tell what they do: arguments, "
        "calls of backends, log lines, tracebacks, and which skills there are. It holds what "
        "people write. Empty: nothing of that is shown.",
    )
    clock_file: Path | None = Field(
        None,
        description="A file with the time that skills are told, for tests: see "
        "`clock_at` in the docs on testing. Empty, or while it is not there: the present.",
    )

    mode: Literal["http", "stream"] = Field(
        "http",
        description="How messages go to the bot: as callbacks to the gateway, or through the "
        "connections that `dingda stream` opens. DingTalk: one setting of the robot's.",
    )
    stream_ping_s: float = Field(
        25,
        gt=0,
        le=3600,
        description="Seconds between two pings of a Stream connection.",
    )
    stream_ack_s: float = Field(
        3,
        gt=0,
        le=600,
        description="Seconds that a push waits for its acknowledgement.",
    )
    stream_redeliver_s: float = Field(
        13,
        gt=0,
        le=3600,
        description="Seconds after that until a push comes again.",
    )
    stream_redeliveries: int = Field(3, ge=0, le=1000, description="How often a push comes again.")
    stream_cut_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds that a connection lives which was told to disconnect.",
    )

    @property
    def server_url(self) -> str:
        """Where the simulator's clients find its server."""
        return self.url or _address(self.host, self.port)

    @property
    def session_base_url(self) -> str:
        """What sessionWebhooks begin with."""
        return self.public_url or _address(self.host, self.port)

    def gateway_callback_url(self, bot: Settings) -> str:
        """Where callbacks are sent, for a bot with these settings."""
        return self.callback_url or _address(bot.host, bot.port) + bot.callback_path


def load_simulator_settings(env_file: Path | None = Path(".env")) -> SimulatorSettings:
    """Read the settings from the environment and `env_file` (None: the environment only).

    Raises:
        SettingsError: naming each wrong variable and why, without its value.
    """
    if env_file:
        check_env_file(env_file)
    try:
        return SimulatorSettings(_env_file=env_file)  # type: ignore[call-arg]  # pydantic-settings takes it
    except ValidationError as error:
        raise invalid_settings(SimulatorSettings, error) from None


def _address(host: str, port: int) -> str:
    reachable = _LOOPBACK.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
