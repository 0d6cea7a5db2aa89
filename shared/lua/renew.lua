-- Lengthens a lease that is still held. ARGV 3 id, 4 token, 5 lease (ms). Returns 1, or 0 if lost.

local id, token, lease_ms = ARGV[3], ARGV[4], ARGV[5]
if not holds(id, token, 'leased') then return 0 end
redis.call('ZADD', DUE, now_ms() + lease_ms, id)
return 1
