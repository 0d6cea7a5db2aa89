"""The demo's processes, side by side under honcho, until one of them ends or a signal comes."""

import shlex
import sys

from honcho.manager import Manager

_COMMANDS = {
    "redis": ("dingda.simulator.demo.server",),
    "gateway": ("dingda.simulator.demo.child", "gateway"),
    "worker": ("dingda.simulator.demo.respawn", "worker"),
    "simulator": ("dingda.simulator.demo.child", "simulator"),
}


def main() -> int:
    """Run them all; returns the exit status of the one that ended first."""
    manager = Manager()
    for name, command in _COMMANDS.items():
        manager.add_process(name, f"exec {shlex.join((sys.executable, '-m', *command))}")
    manager.loop()
    return int(manager.returncode)


if __name__ == "__main__":
    sys.exit(main())
