-- Parks a message until its turn, and schedules a check whether that has come unnoticed: the further
-- back it is, the later, so that a long queue costs the sweeper little.
local function park(id, line, expires_ms, recheck_ms, now)
  local at = now + recheck_ms * redis.call('ZRANK', LINE .. line, id)
  redis.call('HSET', MESSAGE .. id, 'state', 'accepted', 'turn', 'waiting')
  redis.call('SADD', RESTING, id)
  redis.call('ZADD', DUE, math.min(at, expires_ms), id)
end
