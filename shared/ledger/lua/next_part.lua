-- Goes on to the next part of a reply, when one has been delivered: from sending back to leased, with what
-- is left kept, so that another worker can go on with it and nobody sends a part again.
-- Own arguments: id, token, lease_ms, rest (what is left as it was prepared), last_failure (what a dead
--   letter says should the session close first). Returns 1, or 0 if lost.
-- Needs: holder

local id, token, lease_ms, rest, last_failure = unpack(ARGV, OWN, OWN + 4)
local key = MESSAGE .. id
-- A client that lost the response asks again with the same rest: that is the same step.
if holds(id, token, 'leased') and redis.call('HGET', key, 'prepared') == rest then return 1 end
if not holds(id, token, 'sending') then return 0 end
redis.call('ZREM', DUE, id)
redis.call('HDEL', key, 'claim', 'attempts', 'failures')
redis.call('HSET', key, 'state', 'leased', 'prepared', rest, 'trouble', last_failure)
redis.call('ZADD', DUE, now_ms() + lease_ms, id)
return 1
