-- The beginning of both scripts; `shared/runtime/lua_source.py` puts it before each of them.
--
-- KEYS 1 RATE (hash), the calls of one application:
--   free_ms     when the last call that has a turn will have made room, by ms since 1970
--   paused_ms   until when nobody calls
-- ARGV 1 FORGET_MS: when the hash is forgotten, which is no sooner than either time in it
-- From OWN on come the script's own arguments, as call_rate.py names them; a test compares both sides.
local RATE = KEYS[1]
local FORGET_MS = unpack(ARGV, 1, 1)
local OWN = 2

-- Redis's clock decides, so workers whose clocks differ agree.
local function now_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + now[2] / 1000
end

-- The times in the hash; none where a foreign value is in its place. A clock that was set back must not keep everybody waiting.
local function times(now)
  local found = redis.pcall('HMGET', RATE, 'free_ms', 'paused_ms')
  if found.err then
    redis.call('DEL', RATE)
    found = {}
  end
  local latest = now + FORGET_MS
  local function time(text)
    local at = tonumber(text or '') or 0
    return at <= latest and at or 0
  end
  return time(found[1]), time(found[2])
end

local function keep(field, at)
  redis.call('HSET', RATE, field, string.format('%.3f', at))
  redis.call('PEXPIRE', RATE, FORGET_MS)
end
