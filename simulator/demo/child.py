"""A command of Dingda as a process of the demo: it ends with the demo, however the demo ends.

Standard input is a pipe to the command `dingda demo`, which writes nothing. When that is killed,
the kernel closes the pipe.
"""

import os
import signal
import sys
from threading import Thread

from dingda.cli import main

_STANDARD_INPUT = 0


def end_with_demo() -> None:
    """From now on, kill this process and those that it starts as soon as the demo is gone.

    They are a process group: the supervisor starts each command in one of its own.
    """
    Thread(target=_kill_group_at_end_of_input, daemon=True).start()


def _kill_group_at_end_of_input() -> None:
    while os.read(_STANDARD_INPUT, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    end_with_demo()
    sys.exit(main())
