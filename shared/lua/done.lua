-- Ends a message. ARGV 3 id, 4 token, 5 end (answered, unmatched, refused, dead), 6 reason (failed,
--   expired, unknown; '' unless it is dead), 7 detail or '', 8 remember (s)
-- Returns {1, whose turn it is now, or ''}, or {0} if somebody else has ended or taken it.

local id, token, state, reason, detail, remember_s = unpack(ARGV, 3, 8)
if not holds(id, token, 'leased', 'sending') then return {0} end
return {1, finish(id, state, reason, detail, remember_s, now_ms())}
