# ruff: noqa: INP001 - a folder to copy, not a package of ours
"""For RQ's own tools on a Redis with Sentinel: `rq info -c rq_sentinel`, in this file's folder.

`rq info -u URL` knows no Sentinels. What a Sentinel asks for is in SENTINEL_KWARGS.
"""

SENTINEL = {
    "INSTANCES": [("10.0.0.1", 26379), ("10.0.0.2", 26379), ("10.0.0.3", 26379)],
    "MASTER_NAME": "dingda",
    "DB": 0,
    "USERNAME": "dingda",
    "PASSWORD": "change-this-password",
    "SOCKET_TIMEOUT": 5.0,
    "SENTINEL_KWARGS": {"password": "change-this-password-at-last", "socket_timeout": 0.5},
}
