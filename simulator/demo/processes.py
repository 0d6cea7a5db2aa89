"""The demo's processes, side by side under honcho, until one of them ends or a signal comes."""

import shlex
import sys

from honcho.manager import Manager

_DEMO = "dingda.simulator.demo"
_INGRESSES = {"gateway": "child", "stream": "respawn"}
"""What runs the command that receives the messages."""


def main() -> int:
    """Run them all, with the command that the command line names to receive the messages.

    Returns:
        The exit status of the one that ended first.
    """
    (ingress,) = sys.argv[1:]
    manager = Manager()
    for name, command in _commands(ingress).items():
        manager.add_process(name, f"exec {shlex.join((sys.executable, '-m', *command))}")
    manager.loop()
    return int(manager.returncode)


def _commands(ingress: str) -> dict[str, tuple[str, ...]]:
    """What Python runs, by the processes' names."""
    return {
        "redis": (f"{_DEMO}.server",),
        ingress: (f"{_DEMO}.{_INGRESSES[ingress]}", ingress),
        "worker": (f"{_DEMO}.respawn", "worker"),
        "simulator": (f"{_DEMO}.child", "simulator"),
    }


if __name__ == "__main__":
    sys.exit(main())
