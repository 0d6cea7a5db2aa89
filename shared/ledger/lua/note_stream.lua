-- Notes how far the card is that a message's answer grows on, before its worker writes to that card.
-- Own arguments: id, token, key (of the record), open_streams (the sorted set of all that have no end), state (opening, open,
--   ending, ended, replaced, absent), text (what the card is to show; '' if that is not to be kept), robot (the code of the card's),
--   look_ms (when somebody must look whether its message has ended without it), keep_ms (how long the record is kept),
--   prepared (the reply, or what is left of it, for the worker that leases the message next; or ''),
--   dialogue_after (as in claim_send.lua)
-- Returns {1, the state before or '', the text before, how often it has been noted}; {2, for how many ms another worker
--   ends the card}; {0} if the lease was lost. One that may exist is not opened again, and what it shows stays until the
--   new text is longer.
-- Needs: holder

local id, token, key, open_streams, state, text, robot, look_ms, keep_ms, prepared,
      dialogue_after = unpack(ARGV, OWN, OWN + 10)
if not holds(id, token, 'leased') then return {0} end
local now = now_ms()
local before = redis.pcall('HMGET', key, 'state', 'text', 'notes', 'closing_ms')
if before.err then
  redis.call('DEL', key)  -- a foreign value is in its place
  before = {}
end
local closing_ms = number(before[4]) or 0
if before[1] == 'closing' and closing_ms > now then return {2, closing_ms - now} end
if before[1] == 'absent' then before = {} end
if before[1] == 'ended' then before = {'ended'} end
if state == 'opening' and before[1] then
  state = before[1] == 'opening' and 'opening' or 'open'
  if #text < #(before[2] or '') then text = before[2] end
end

local notes = (number(before[3]) or 0) + 1
redis.call('HDEL', key, 'closing_ms')
redis.call('HSET', key, 'state', state, 'text', text, 'robot', robot, 'notes', notes)
redis.call('PEXPIRE', key, keep_ms)
if state == 'ended' or state == 'absent' then
  redis.call('HDEL', key, 'text')
  redis.pcall('ZREM', open_streams, id)
else
  redis.pcall('ZADD', open_streams, now + look_ms, id)
end
-- What is left once the card shows all it can goes another way, and so does what replaces the card.
if state == 'replaced' or state == 'absent' or state == 'ended' and prepared ~= '' then
  redis.call('HDEL', MESSAGE .. id, 'card', 'attempts', 'failures')
else
  redis.call('HSET', MESSAGE .. id, 'card', 1)
end
if dialogue_after ~= '' then redis.call('HSET', MESSAGE .. id, 'dialogue_after', dialogue_after) end
if prepared ~= '' then redis.call('HSET', MESSAGE .. id, 'prepared', prepared) end
return {1, before[1] or '', before[2] or '', notes}
