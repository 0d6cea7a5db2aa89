"""`python -m benchmarks.baselines.fill <module> <count> [<origin> <pause in s>]`: queue jobs.

Without an origin they do nothing; with one they reply to it after a pause.
"""

import asyncio
import importlib
import inspect
import sys


def main() -> None:
    """Call the module's own `fill`."""
    module, count, origin, pause_s = (*sys.argv[1:], "", "0")[:4]
    filled = importlib.import_module(module).fill(int(count), origin, float(pause_s))
    if inspect.iscoroutine(filled):
        asyncio.run(filled)


if __name__ == "__main__":
    main()
