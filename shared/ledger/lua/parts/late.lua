-- Gives a message whose session has closed more time, once: to be answered by a push.
-- `late` is its field of that name, `late_ms` how much time that is (0: none). What is no message has no session.
-- Returns when its time is up now, in ms since 1970; nil if it gets none.
local function extend(id, payload, expires_ms, late, late_ms, now)
  local ends_ms = expires_ms + late_ms
  if late or ends_ms <= now or string.sub(payload, 1, 1) ~= '{' then return nil end
  redis.call('HSET', MESSAGE .. id, 'expires_ms', string.format('%.0f', ends_ms), 'late', late_ms)
  return ends_ms
end
