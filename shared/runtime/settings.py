"""Every setting: its type, its default and what it means.

Each is an environment variable that begins with `DINGDA_`, or a line in `.env`; the former wins.
A secret may also be in a file (`secret_files`).
Blanks around a value don't count, and one in quotes is refused: docker's env-file keeps them.
"""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, InstanceOf, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from dingda.shared.dingtalk.groups import Groups, is_webhook, read_groups
from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.dingtalk.reply import MAX_PARTS
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime.environment import ENV_FILE, check_env_file, names_set
from dingda.shared.runtime.limits import LIMITS_MEANING, NO_LIMITS, LimitsSetting
from dingda.shared.runtime.logs import LogFormat
from dingda.shared.runtime.plain_settings import PlainSettings, invalid_settings, variables_of
from dingda.shared.runtime.redis_address import RedisAddress, read_sentinel
from dingda.shared.runtime.robots_file import CardTemplate, read_robots
from dingda.shared.runtime.setting_values import (
    MIN_TOKEN_CHARS,
    BaseURL,
    CardVariable,
    Commas,
    Host,
    MediaHost,
    Origin,
    ProxyURL,
    PushToken,
    RedisURL,
    Sentinel,
    URLPath,
    bare,
)
from dingda.shared.runtime.tracing import TracingSetting

SKILLS_PREFIXES = tuple(
    f"DINGDA_{name}_"
    for name in ("WEATHER", "OPEN_METEO", "QWEATHER", "AMAP", "COUPONS", "TAOBAO", "PERFORMANCE")
)
"""What the names of the shipped skills' settings begin with; only the worker has the skills."""
_OTHERS_PREFIXES = (*SKILLS_PREFIXES, "DINGDA_SIMULATOR_", "DINGDA_DEMO_", "DINGDA_DASHBOARD_")
_NO_SETTING = re.compile(
    r"DINGDA_FAILPOINTS$"
    # What Kubernetes sets for a Service that is called dingda.
    r"|DINGDA_(\w+_)?(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP))"
)


Danger = Literal["open-redis", "eviction", "http-origin"]
"""The findings of `shared.runtime.preflight` that are too dangerous to start with."""


class Settings(PlainSettings):
    """What both processes read at their start; nothing below the start sees it."""

    app_secret: Annotated[tuple[SecretStr, ...], NoDecode, Commas] = Field(
        (),
        description="The robot's AppSecret (Client Secret), which signs callbacks and opens Stream "
        "connections. Several, comma-separated, while a secret is rotated. The gateway and "
        "`dingda stream` need it.",
    )
    redis_url: RedisURL = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Where Redis or Valkey is (redis://, rediss://, unix://). With Sentinels its "
        "user, password, database and TLS count, and its host does not.",
    )
    redis_sentinels: Annotated[tuple[Sentinel, ...], NoDecode, Commas] = Field(
        (),
        description="The Sentinels that know which Redis is the primary, such as "
        "s1:26379,s2:26379,s3:26379. Empty: the Redis of the URL is.",
    )
    redis_master: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]*$",
        validate_default=True,
        description="What the Sentinels call the primary (sentinel monitor <name> ...).",
    )
    redis_sentinel_password: SecretStr = Field(
        SecretStr(""),
        description="The password that the Sentinels themselves ask for, of their user default.",
    )
    redis_replicas: int = Field(
        0,
        ge=0,
        le=9,
        description="Replicas that must have a message before it is acknowledged, and a claim "
        "before a reply is sent; what they don't have within 0.1 s is counted. 0: none.",
    )
    host: str = Field("127.0.0.1", description="The address that the gateway listens on.")
    port: int = Field(8000, ge=1, le=65535, description="The port that the gateway listens on.")
    gateway_processes: int = Field(
        1, ge=1, le=64, description="Gateway processes that share the port: one for each core."
    )
    callback_path: URLPath = Field(
        "/dd_robot/",
        description="The path of the message-receiving address, with or without the last slash.",
    )
    push_token: PushToken = Field(
        SecretStr(""),
        description="The token with which other systems let the bot speak: POST /push at the "
        f"gateway (docs/push.md). {MIN_TOKEN_CHARS} characters or more; empty: no such address.",
    )
    session_webhook_origins: Annotated[tuple[Origin, ...], NoDecode, Commas] = Field(
        ("https://oapi.dingtalk.com:443", "https://api.dingtalk.com:443"),
        description="The only scheme, host and port that a reply may be sent to.",
    )
    queue: str = Field(
        "dingda",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="The RQ queue, and the prefix of the ledger's keys.",
    )
    journal: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="About how many ended messages Redis keeps a line of, for at most a day: ids, "
        "times, skill and calls to backends, no words. 0: none.",
    )
    backlog_limit: int = Field(
        100_000,
        ge=1,
        description="Messages that may wait, on the queue or for another attempt; above it the "
        "gateway says that the bot is busy.",
    )
    no_workers: Literal["notice", "busy", "wait"] = Field(
        "notice",
        description="What senders get from the gateway once no worker has been alive for half a "
        "minute: a notice that the answer comes late, a line that the bot is busy (the message is "
        "not stored), or nothing until a worker is back. In Stream mode they hear nothing.",
    )
    sender_limit: int = Field(
        0, ge=0, description="Messages a minute that one person may send; 0: any number."
    )
    conversation_limit: int = Field(
        0, ge=0, description="Messages a minute that one conversation may hold; 0: any number."
    )
    concurrency: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Messages of one conversation that each skill answers at once in a worker "
        "process; a tenth more, one at the least, is kept for other conversations.",
    )
    skills: Annotated[tuple[str, ...], NoDecode, Commas] = Field(
        (),
        description="Modules with skills, in order, such as dingda.worker.skills.demo,acme.leave. "
        "Empty: what installed packages offer; without any, the shipped ones. The help always.",
    )
    skill_timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds that a skill may take, unless it sets its own."
    )
    result_ttl: int = Field(
        0,
        ge=0,
        le=7 * 24 * 3600,
        description="Seconds that RQ keeps a job that ended well, for `rq info` and rq-dashboard; "
        "0: it is deleted at its end. One that failed is kept for a week.",
    )
    unmatched: Literal["hint", "help", "empty"] = Field(
        "hint",
        description="What a message that no skill wants gets: a line where one is waited for (a "
        "typing error, a greeting, the bot's name alone, a picture), always the help, or nothing.",
    )
    notice_after: float = Field(
        0.0,
        ge=0,
        description="Seconds from the question after which a sender is told that the answer takes "
        "a while; 0: never, since every reply may count against DingTalk's quota.",
    )
    reply_parts: int = Field(
        3,
        ge=1,
        le=MAX_PARTS,
        description="Messages that one long reply may be sent in before it is cut. DingTalk takes "
        "20 a minute from a robot in a group, and shuts out for ten minutes whoever sends more.",
    )
    app_key: str = Field(
        "",
        description="The application's AppKey (Client ID): needed for a Stream connection, for "
        "private answers and for looking up who works for whom.",
    )
    robot_code: str = Field(
        "",
        description="The robot's code, for private answers. Empty: the AppKey, as DingTalk has it.",
    )
    card_template: CardTemplate = Field(
        "",
        description="The id of the template that cards are shown by (docs/cards.md). Empty: a card "
        "is a message whose buttons send a text.",
    )
    card_callback: Literal["http", "stream"] = Field(
        "http",
        description="How DingTalk tells of presses on cards: at the address that `dingda cards "
        "register` names, or over the Stream connection.",
    )
    robots: Annotated[InstanceOf[Robots], NoDecode] = Field(
        Robots(()),
        validate_default=True,
        exclude=True,  # a dump of the settings would hold the secrets
        description="Several robots in one deployment: a TOML file's path, or JSON "
        "(docs/robots.md). Then no DINGDA_APP_SECRET, DINGDA_APP_KEY and DINGDA_ROBOT_CODE.",
    )
    answer_card_template: CardTemplate = Field(
        "",
        description="The id of the AI card's template that answers grow on (docs/streaming.md). "
        "Empty: an answer is sent when it is complete.",
    )
    answer_card_key: CardVariable = Field(
        "content",
        description="The template's variable that its streaming Markdown is bound to.",
    )
    thinking_reaction: str = Field(
        "",
        max_length=20,
        description="What the bot puts on a message while it works on it for more than a second, "
        "such as 🤔思考中; two calls of the OpenAPI. Empty: nothing.",
    )
    openapi_url: BaseURL = Field("https://api.dingtalk.com", description="DingTalk's OpenAPI.")
    oapi_url: BaseURL = Field("https://oapi.dingtalk.com", description="DingTalk's older OpenAPI.")
    groups: Annotated[InstanceOf[Groups], NoDecode] = Field(
        Groups(),
        exclude=True,  # a dump of the settings would hold webhooks
        description="Groups that the bot may speak to by name, as JSON: a conversationId, or a "
        'custom robot\'s webhook with #SEC... behind it, such as {"ops": "cid..."}.',
    )
    openapi_limits: LimitsSetting = Field(
        NO_LIMITS, description=LIMITS_MEANING.format(service="both")
    )
    media_hosts: Annotated[tuple[MediaHost, ...], NoDecode, Commas] = Field(
        MediaHosts().domains,
        description="Where pictures and files that people sent may be downloaded from: domains "
        "with their subdomains, at public addresses alone; or an origin, such as "
        "https://files.corp.example, wherever it is.",
    )
    openapi_monthly_calls: int = Field(
        5_000,
        ge=0,
        description="Calls of the OpenAPI that DingTalk allows the organisation in a month: 5000 "
        "of the standard edition. They are counted, and at 80 % there is a warning; 0: none.",
    )
    proxy_url: ProxyURL = Field(
        SecretStr(""),
        description="An HTTP proxy through which workers, and Stream connections, reach DingTalk "
        "and HTTP backends, such as http://proxy.example:3128, perhaps with a user and a password. "
        "Never taken from HTTPS_PROXY.",
    )
    no_proxy: Annotated[tuple[Host, ...], NoDecode, Commas] = Field(
        (),
        description="Hosts that are reached without it, each with its subdomains, such as "
        "hr.example,10.0.0.5.",
    )
    alert_webhook: SecretStr = Field(
        SecretStr(""),
        description="A custom robot's webhook, with which workers tell a group of dead letters "
        "that nobody looks after, such as https://oapi.dingtalk.com/robot/send?access_token=...",
    )
    alert_secret: SecretStr = Field(
        SecretStr(""),
        description="That robot's secret (SEC...), where its security setting is a signature.",
    )
    alert_after: float = Field(
        300.0,
        ge=0,
        le=7 * 24 * 3600,
        description="Seconds after which a dead letter that is still there is told of, once.",
    )
    allow: Annotated[tuple[Danger, ...], NoDecode, Commas] = Field(
        (),
        description="Dangers to start with all the same, by name: open-redis, eviction, "
        "http-origin. See them with: dingda check",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="A port for /metrics (Prometheus) and /healthz of this process alone, which is "
        "never the public one; each process on a machine needs its own. 0: none, nothing counted.",
    )
    metrics_host: str = Field("127.0.0.1", description="The address that this port is on.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much the processes say."
    )
    tracing: TracingSetting = Field(
        "off",
        description="Spans of messages for OpenTelemetry: off, or otlp (dingda[otel]); where they "
        "go, and of how many messages, the variables OTEL_... say.",
    )
    log_format: LogFormat = Field(
        "text", description="A line of the log: text for people, or json, an object a line."
    )

    @field_validator("robots", mode="before")
    @classmethod
    def _robots(cls, value: Any, info: ValidationInfo) -> Any:
        """The robots as they are written, or the one of the settings for one robot."""
        names = ("app_secret", "app_key", "robot_code", "card_template")
        single = {name: info.data.get(name) for name in names}
        value = bare(value) if isinstance(value, str) else value
        if not value:
            return _only_robot(**single, card_callback=info.data.get("card_callback"))
        if spare := [f"DINGDA_{name.upper()}" for name, given in single.items() if given]:
            raise ValueError(f"the robots have their own: leave out {' and '.join(spare)}")
        return read_robots(value) if isinstance(value, str) else value

    @field_validator("groups", mode="before")
    @classmethod
    def _groups(cls, value: Any, info: ValidationInfo) -> Any:
        text = bare(value) if isinstance(value, str) else ""
        if not text:
            return value or Groups()
        return read_groups(text, origins=info.data.get("session_webhook_origins", ()))

    @field_validator("alert_webhook")
    @classmethod
    def _dingtalks(cls, webhook: SecretStr, info: ValidationInfo) -> SecretStr:
        url, origins = webhook.get_secret_value(), info.data.get("session_webhook_origins")
        if not url or origins is None:  # those are wrong, which is said already
            return webhook
        if not is_webhook(url, origins):
            raise ValueError(
                "write it as https://oapi.dingtalk.com/robot/send?access_token=...; "
                "its origin must be one of DINGDA_SESSION_WEBHOOK_ORIGINS"
            )
        return webhook

    @field_validator("redis_master")
    @classmethod
    def _both_or_neither(cls, master: str, info: ValidationInfo) -> str:
        if "redis_sentinels" not in info.data:  # wrong, which is said already
            return master
        sentinels = info.data["redis_sentinels"]
        if master and not sentinels:
            raise ValueError(
                "it names a primary that no Sentinel is asked for: set "
                "DINGDA_REDIS_SENTINELS too, or neither"
            )
        if sentinels and not master:
            raise ValueError(
                "DINGDA_REDIS_SENTINELS is set, and this is not: it is the name in "
                "the Sentinels' line `sentinel monitor <name> ...`"
            )
        url = info.data.get("redis_url")
        if sentinels and url and url.get_secret_value().startswith("unix:"):
            raise ValueError("DINGDA_REDIS_URL is a unix socket, which Sentinels can't lead to")
        return master

    @property
    def redis_address(self) -> RedisAddress:
        """How to reach Redis, secrets in the clear: for the creators of clients alone."""
        return RedisAddress(
            url=self.redis_url.get_secret_value(),
            sentinels=tuple(map(read_sentinel, self.redis_sentinels)),
            master=self.redis_master,
            sentinel_password=self.redis_sentinel_password.get_secret_value(),
        )

    def skills_of(self, robot: Robot) -> tuple[str, ...]:
        """The modules that a robot's skills are in: its own, else those of `DINGDA_SKILLS`."""
        return robot.skills or self.skills

    @property
    def secrets(self) -> tuple[str, ...]:
        """The active secrets of all robots, in the clear: for the verifier and nowhere else."""
        return tuple(secret for robot in self.robots for secret in robot.secrets)


def _only_robot(
    app_secret: tuple[SecretStr, ...] | None,
    app_key: str | None,
    robot_code: str | None,
    card_template: str | None,
    card_callback: Literal["http", "stream"] | None,
) -> Robots:
    """The robot of the settings for one; None is what is wrong, which is said already."""
    robot = Robot(
        code=robot_code or app_key or "",
        app_key=app_key or "",
        secrets=tuple(secret.get_secret_value() for secret in app_secret or ()),
        card_template=card_template or "",
        # As if nothing were said, where it is what a callback of messages is.
        card_callback="stream" if card_callback == "stream" else "",
    )
    return Robots((robot,), takes_any_code=True)


def load_settings(env_file: Path | None = ENV_FILE) -> Settings:
    """Read the settings from the environment and `env_file` (None: the environment only).

    Raises:
        SettingsError: naming each wrong variable and why, without its value; or what is wrong with
            the file.
    """
    if env_file:
        check_env_file(env_file)
    try:
        return Settings(_env_file=env_file)  # type: ignore[call-arg]  # pydantic-settings takes it
    except ValidationError as error:
        raise invalid_settings(Settings, error) from None


def unknown_names(
    env_file: Path | None = ENV_FILE, *, also: Collection[str] = ()
) -> dict[str, str]:
    """Names that are set and that nothing reads, each with the nearest that is read, or "".

    Args:
        env_file: the file of settings beside the environment.
        also: names that are read besides the bot's own. Of the shipped skills, the simulator and
            the dashboard a name is reported only if others with its prefix are among these.
    """
    known = {*variables_of(Settings), *also}
    elsewhere = tuple(
        prefix for prefix in _OTHERS_PREFIXES if not any(name.startswith(prefix) for name in also)
    )
    return {
        name: nearest(name, known)
        for name in names_set(env_file)
        if name not in known and not name.startswith(elsewhere) and not _NO_SETTING.match(name)
    }


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that a name is most likely meant to be; "" if it is like none."""
    return next(iter(get_close_matches(name, known, 1, 0.8)), "")
