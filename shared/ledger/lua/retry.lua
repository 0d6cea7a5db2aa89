-- Releases a message, to be leased again after a pause; the sweeper enqueues it then.
-- Own arguments: id, token, pause_ms, furthest (the furthest state to give it back from: leased, or sending if
--   the reply was definitely not shown), longest_wait_ms (the longest pause for which later messages of its
--   sender wait), prepared (the reply, or ''), failures (what went wrong so far, by kind, or ''),
--   last_failure (this time's, or ''), facts and dialogue_after (as in claim_send.lua).
-- Returns {1, whose turn it is now or ''}, or {0} if lost.
-- Needs: holder, sender_queue

local id, token, pause_ms, furthest, longest_wait_ms, prepared, failures, last_failure,
      facts, dialogue_after = unpack(ARGV, OWN, OWN + 9)
if not holds(id, token, 'leased', furthest) then return {0} end
local key, now = MESSAGE .. id, now_ms()
local at = now + pause_ms
redis.call('HDEL', key, 'token', 'claim')
redis.call('HSET', key, 'state', 'accepted', 'not_before_ms', at)
if prepared ~= '' then redis.call('HSET', key, 'prepared', prepared) end
if failures ~= '' then redis.call('HSET', key, 'failures', failures) end
if last_failure ~= '' then redis.call('HSET', key, 'trouble', last_failure) end
if facts ~= '' then redis.call('HSET', key, 'facts', facts) end
if dialogue_after ~= '' then redis.call('HSET', key, 'dialogue_after', dialogue_after) end
if furthest == 'sending' then redis.pcall('HINCRBY', key, 'attempts', 1) end
redis.call('SADD', RESTING, id)
redis.call('ZADD', DUE, at, id)
return {1, tonumber(pause_ms) > tonumber(longest_wait_ms) and leave(id, redis.call('HGET', key, 'line'), now) or ''}
