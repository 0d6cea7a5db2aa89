"""`python -m dingda`: the command `dingda`, where it is not installed."""

import sys

from dingda.cli import main

if __name__ == "__main__":
    sys.exit(main())
