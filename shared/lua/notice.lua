-- Notes that the asker is told to wait. ARGV 3 id, 4 token. Returns 1 the first time, else 0.

local id, token = ARGV[3], ARGV[4]
if not holds(id, token, 'leased') then return 0 end
return redis.call('HSETNX', MESSAGE .. id, 'noticed', 1)
