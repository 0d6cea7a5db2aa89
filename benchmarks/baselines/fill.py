"""`python -m benchmarks.baselines.fill <module> <count> <origin> <lookup>`: queue jobs.

Without an origin they do nothing; with one they reply to it, after a look-up if there is one.
"""

import asyncio
import importlib
import inspect
import sys


def main() -> None:
    """Call the module's own `fill`."""
    module, count, origin, lookup = sys.argv[1:]
    filled = importlib.import_module(module).fill(int(count), origin, lookup)
    if inspect.iscoroutine(filled):
        asyncio.run(filled)


if __name__ == "__main__":
    main()
