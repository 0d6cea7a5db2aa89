-- Claims the right to send, once: from here on a death leaves the outcome unknown.
-- ARGV 3 id, 4 token, 5 how long the outcome may take (ms). Returns 1, or 0 if the lease was lost.

local id, token, outcome_ms = ARGV[3], ARGV[4], ARGV[5]
if not holds(id, token, 'leased') then return 0 end
local now = now_ms()
redis.call('HSET', MESSAGE .. id, 'state', 'sending', 'sending_ms', now)
redis.call('ZADD', DUE, now + outcome_ms, id)
return 1
