-- Lengthens a lease that is still held, up to the session's end: what a skill that can't be cut off
-- holds is ended then. ARGV 3 id, 4 token, 5 lease (ms). Returns 1, or 0 if lost.

local id, token, lease_ms = ARGV[3], ARGV[4], ARGV[5]
if not holds(id, token, 'leased') then return 0 end
local expires_ms = tonumber(redis.call('HGET', MESSAGE .. id, 'expires_ms'))
redis.call('ZREM', DUE, id)
redis.call('ZADD', DUE, math.min(now_ms() + lease_ms, expires_ms), id)
return 1
