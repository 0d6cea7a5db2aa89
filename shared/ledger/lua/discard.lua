-- Takes a dead letter off the list, and deletes its payload. It stays counted, and known
-- against redelivery. Own argument: id. Returns 1, or 0 if there is none.

local id = unpack(ARGV, OWN, OWN)
redis.call('DEL', DEAD_LETTER_PAYLOAD .. id)
return redis.call('ZREM', DEAD, id)
