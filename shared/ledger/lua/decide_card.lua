-- Lets the first press of a card decide. Pressed in time is what was pressed before the expiry, by Redis's clock.
-- Own arguments: key (of the card), cards, out_track_id, press (its id in the ledger), by (the userid of the person
--   who pressed), name (theirs), choice (the number of the button), pause_ms (until somebody else shows what was decided)
-- Returns 'decided' (by this press, now or in an earlier attempt), 'taken' (by another), 'expired' or 'unknown'.

local key, cards, out_track_id, press, by, name, choice, pause_ms = unpack(ARGV, OWN, OWN + 7)
local state, expires_ms, decider, changeable, decided_by, chosen, ended = unpack(redis.call('HMGET', key, 'state',
  'expires_ms', 'press', 'changeable', 'by', 'choice', 'ended'))
if not state then return 'unknown' end
if state == 'decided' and decider == press then return 'decided' end
-- A message that failed is not tried again by itself, so whoever decided by one may go on with another. It must be the
-- same decision: the first may still be at work, since it may have been sent in another chat.
local is_same = decided_by == by and chosen == choice
local goes_on = state == 'decided' and changeable == '0' and is_same and not ended
if state == 'decided' and not goes_on then return 'taken' end
local now = now_ms()
expires_ms = number(expires_ms) or 0
if goes_on then expires_ms, state = now + 1, 'open' end
if state ~= 'open' or now >= expires_ms then return 'expired' end
redis.call('HDEL', key, 'tries')
redis.call('HSET', key, 'state', 'decided', 'press', press, 'by', by, 'name', name, 'choice', choice,
  'decided_ms', now)
redis.call('HINCRBY', key, 'version', 1)
if changeable == '1' then redis.call('ZADD', cards, now + pause_ms, out_track_id) end
return 'decided'
