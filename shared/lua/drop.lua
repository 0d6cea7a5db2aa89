-- Takes a dead letter off the list, and forgets what was said in it. It stays counted, and known
-- against redelivery. ARGV 3 id. Returns 1, or 0 if there is none.

local id = ARGV[3]
redis.call('DEL', LETTER .. id)
return redis.call('ZREM', DEAD, id)
