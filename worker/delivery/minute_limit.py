"""How often a custom robot may speak: DingTalk blocks one that says too much for ten minutes.

Source: DingTalk's page on custom robots, 20 messages a minute.
"""

import hashlib
import secrets

from redis.asyncio import Redis

from dingda.shared.ledger.keys import LedgerKeys

MESSAGES_A_MINUTE = 18
"""Two less than DingTalk takes: its minutes are not ours, and alerts may go by the same robot."""
_WINDOW_MS = 60_000
_NAME_CHARS = 32

# By Redis's clock. What is later than now was counted before that clock was set back.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local key, most, window_ms, name = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window_ms)
redis.call('ZREMRANGEBYSCORE', key, '(' .. now, '+inf')
if redis.call('ZCARD', key) < most then
  redis.call('ZADD', key, now, name)
  redis.call('PEXPIRE', key, window_ms)
  return 0
end
return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] + window_ms - now
"""


class MinuteLimit:
    """Counts what each custom robot says, for all workers together.

    Args:
        redis: holds the count for a minute, under a hashed name.
        keys: name it.
    """

    def __init__(self, redis: Redis, keys: LedgerKeys) -> None:
        self._keys = keys
        self._take = redis.register_script(_TAKE)

    async def take(self, webhook: str) -> float:
        """Count a message of a custom robot, unless it has to wait.

        Args:
            webhook: names the robot.

        Returns:
            How long it has to wait, in seconds; 0.0 if it was counted and may be sent now.

        Raises:
            RedisError: what the client raises.
        """
        robot = hashlib.sha256(webhook.encode()).hexdigest()[:_NAME_CHARS]
        wait_ms: int = await self._take(
            keys=[self._keys.custom_robot(robot)],
            args=[MESSAGES_A_MINUTE, _WINDOW_MS, secrets.token_hex(8)],
        )
        return float(wait_ms) / 1000
