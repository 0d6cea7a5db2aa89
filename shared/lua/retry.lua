-- Gives a message back, to be taken again after a pause; the sweeper enqueues it then.
-- ARGV 3 id, 4 token, 5 pause (ms), 6 the reply as it was prepared, or '', 7 the furthest state to
--   give it back from: leased, or sending if the reply was definitely refused, 8 what went wrong so far,
--   by kind, or '', 9 the reason of this time, or '', 10 the longest pause (ms) for which later messages of
--   its sender wait. Returns {1, whose turn it is now or ''}, or {0} if lost.

local id, token, pause_ms, prepared, furthest, failures, reason = unpack(ARGV, 3, 9)
local longest_wait_ms = tonumber(ARGV[10])
if not holds(id, token, 'leased', furthest) then return {0} end
local key, now = MESSAGE .. id, now_ms()
local at = now + pause_ms
redis.call('HDEL', key, 'token', 'claim')
redis.call('HSET', key, 'state', 'accepted', 'not_before_ms', at)
if prepared ~= '' then redis.call('HSET', key, 'prepared', prepared) end
if failures ~= '' then redis.call('HSET', key, 'failures', failures, 'trouble', reason) end
if furthest == 'sending' then redis.pcall('HINCRBY', key, 'attempts', 1) end
redis.call('SADD', RESTING, id)
redis.call('ZADD', DUE, at, id)
return {1, tonumber(pause_ms) > longest_wait_ms and leave(id, now) or ''}
