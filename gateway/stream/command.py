"""`dingda stream`: hear DingTalk over Stream connections."""

import click

from dingda.gateway.stream.serving import serve
from dingda.shared.runtime.command_line import HELP_OPTIONS
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import load_settings


@click.command("stream", context_settings=HELP_OPTIONS)
def stream() -> None:
    """Hear DingTalk over a Stream connection: no public address needed.

    It signs in with DINGDA_APP_KEY and DINGDA_APP_SECRET, or with those of each robot of
    DINGDA_ROBOTS whose mode is "stream". It may run beside `dingda gateway`, and more than once:
    one message is one message.
    """
    join_demo("DINGDA_REDIS_URL")
    serve(load_settings())
