-- Puts a message back until it is its turn, unless it is by now.
-- Own arguments: id, token, recheck_ms (how soon to look again at the second of a queue)
-- Returns {1, whose turn it is or ''}, {0} if it is the first and may go on, or {-1} if the lease was lost.
-- Needs: holder, parking, sender_queue

local id, token, recheck_ms = unpack(ARGV, OWN, OWN + 2)
if not holds(id, token, 'leased') then return {-1} end
local key, now = MESSAGE .. id, now_ms()
local held = redis.call('HMGET', key, 'line', 'expires_ms')
if is_first(id, held[1]) then return {0} end
redis.call('HDEL', key, 'token')
redis.pcall('HINCRBY', key, 'leases', -1)
park(id, held[1], number(held[2]) or now, recheck_ms, now)
return {1, wake(held[1], now)}
