"""Dingda 钉答: the DingTalk group bot that always answers.

Empty but for the version, so that the gateway never loads the worker. Authors of skills import from
`dingda.skill`, `dingda.slots` and `dingda.testing`.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dingda")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"
