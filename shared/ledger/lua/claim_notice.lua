-- Notes that the sender is told to wait. Own arguments: id, token. Returns 1 the first time, else 0.
-- Needs: holder

local id, token = unpack(ARGV, OWN, OWN + 1)
if not holds(id, token, 'leased') then return 0 end
return redis.call('HSETNX', MESSAGE .. id, 'noticed', 1)
