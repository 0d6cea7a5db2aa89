-- Ends a message.
-- Own arguments: id, token, state (answered, unmatched, refused, dead), reason (failed, expired, unknown; ''
--   unless it is dead), detail (or ''), remember_s
-- Returns {1, whose turn it is now, or ''}, or {0} if somebody else has ended or taken it.

local id, token, state, reason, detail, remember_s = unpack(ARGV, OWN, OWN + 5)
if not holds(id, token, 'leased', 'sending') then return {0} end
return {1, finish(id, state, reason, detail, remember_s, now_ms())}
