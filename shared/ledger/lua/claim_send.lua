-- Claims the right to send, once: from here on a death leaves the outcome unknown.
-- Own arguments: id, token, outcome_ms (how long it may take), claim (this claim's own word), facts
--   (what the worker noted, should it die; or ''), dialogue_after (what this reply does to the dialogue of its sender, as
--   in `parts/dialogue.lua`; '' for what is stored of that). Returns 1, or 0 if the lease was lost.

local id, token, outcome_ms, claim, facts, dialogue_after = unpack(ARGV, OWN, OWN + 5)
local held = fields_of(id, 'state', 'token', 'claim')
if not held or held[2] ~= token then return 0 end
-- A client that lost the response asks again with the same word: that is the same claim.
local again = held[1] == 'sending' and held[3] == claim
if not again and held[1] ~= 'leased' then return 0 end
local now = now_ms()
redis.call('ZREM', DUE, id)
redis.call('HSET', MESSAGE .. id, 'state', 'sending', 'claim', claim, 'sending_ms', now)
if facts ~= '' then redis.call('HSET', MESSAGE .. id, 'facts', facts) end
if dialogue_after ~= '' then redis.call('HSET', MESSAGE .. id, 'dialogue_after', dialogue_after) end
redis.call('ZADD', DUE, now + outcome_ms, id)
return 1
