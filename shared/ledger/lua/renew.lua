-- Lengthens a lease that is still held, up to the session's end: what a skill that can't be cut off
-- holds is ended then. Own arguments: id, token, lease_ms. Returns 1, or 0 if lost.
-- Needs: holder

local id, token, lease_ms = unpack(ARGV, OWN, OWN + 2)
if not holds(id, token, 'leased') then return 0 end
local until_ms = now_ms() + lease_ms
local expires_ms = number(redis.call('HGET', MESSAGE .. id, 'expires_ms')) or until_ms
redis.call('ZREM', DUE, id)
redis.call('ZADD', DUE, math.min(until_ms, expires_ms), id)
return 1
