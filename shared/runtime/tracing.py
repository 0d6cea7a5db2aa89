"""Spans of a message's way: stored by a gateway, worked on by a worker, delivered.

A message's spans share one trace, whose id is the beginning of the message's own, so gateway and
worker agree on it, and on whether it is sampled, without a word about it in Redis. Nothing of
OpenTelemetry is imported where tracing is off.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from dingda.shared.errors import SettingsError

TracingSetting = Literal["off", "otlp"]


class Tracing:
    """Traces nothing: the form that is used where tracing is off."""

    def stored(self, message_id: str, began_ns: int) -> None:
        """Note that a message has been stored.

        Args:
            message_id: the ledger's id of it.
            began_ns: when its callback came, in ns since 1970.
        """

    def processing(self) -> AbstractContextManager[None]:
        """Trace what the current task does for its message (see `task_owner`)."""
        return nullcontext()

    def delivering(self) -> AbstractContextManager[None]:
        """Trace one attempt to deliver a reply, within `processing`."""
        return nullcontext()

    def note(self, **facts: str | int) -> None:
        """Note facts of the innermost span: outcomes and names, nothing that anybody wrote."""

    def close(self) -> None:
        """Send what has not been sent; takes a few seconds at the most."""


def create_tracing(setting: TracingSetting, *, service: str) -> Tracing:
    """Make what traces; where to and how many of the messages, the variables `OTEL_…` say.

    Args:
        setting: off, or otlp.
        service: the name of the process's kind, unless OTEL_SERVICE_NAME says another.

    Raises:
        SettingsError: if OpenTelemetry is not installed.
    """
    if setting == "off":
        return Tracing()
    try:
        from dingda.shared.runtime.otel import create_otlp_tracing  # noqa: PLC0415 - see above
    except ModuleNotFoundError:
        raise SettingsError(
            "DINGDA_TRACING: OpenTelemetry is not installed: pip install 'dingda[otel]'"
        ) from None
    return create_otlp_tracing(service)
