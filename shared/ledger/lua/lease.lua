-- Leases a message to one worker; only an accepted one can be leased.
-- Own arguments: id, token, lease_ms, margin_ms (before the session's end), remember_s, journal (as in finish.lua),
--   late_ms (how long after its session's end a message may still be answered by a push)
-- Returns {1, payload, ms left to answer, which attempt this is, what went wrong so far by kind or '',
--   prepared reply or '', ms since it was accepted, 1 if no earlier message of its sender is open, 1 if it was
--   leased and put back before, the dialogue that it continues, 'late' or '', 1 if its reply is to be shown by a card that is
--   there, how many of the ms left come after its session's end}, or {0, why not, whose turn it is now or ''}: the state that prevents it, 'waiting' for a retry, 'expired', 'spoilt' or 'gone'.
-- Needs: dead_letter, dialogue, late, sender_queue, spoilt

local id, token, lease_ms, margin_ms, remember_s, journal, late_ms = unpack(ARGV, OWN, OWN + 6)
local key = MESSAGE .. id
local held = fields_of(id, 'state', 'payload', 'expires_ms', 'prepared', 'not_before_ms', 'token', 'attempts',
                       'failures', 'accepted_ms', 'line', 'turn', 'leases', 'dialogue',
                       'card', 'late')
local now = now_ms()
-- Fails before anything is written where the key is of another type (see sweep.lua).
redis.call('ZSCORE', DUE, id)
if not held or is_spoilt(held[1], held[2], held[3]) then
  redis.call('SREM', RESTING, id)
  return {0, 'spoilt', make_dead_letter(id, 'failed', SPOILT, remember_s, now, journal, '')}
end

-- A client that lost the response asks again with the same token: that is the same lease.
local again = held[1] == 'leased' and held[6] == token
if held[1] ~= 'accepted' and not again then return {0, held[1] or 'gone', ''} end
if (number(held[5]) or 0) > now then return {0, 'waiting', ''} end
local rested = held[5] or held[11]
if rested then redis.call('SREM', RESTING, id) end
local expires_ms, late = number(held[3]), held[15]
if expires_ms - margin_ms <= now then
  local ends_ms = extend(id, held[2], expires_ms, late, tonumber(late_ms), now + margin_ms)
  if ends_ms then expires_ms, late = ends_ms, late_ms end
end
local remaining_ms = expires_ms - margin_ms - now
if remaining_ms <= 0 then return {0, 'expired', expire(id, remember_s, now, journal)} end
redis.call('ZREM', QUEUED, id)
redis.call('HSET', key, 'state', 'leased', 'token', token, 'leased_ms', now,
           'leases', (number(held[12]) or 0) + (again and 0 or 1))
redis.call('ZADD', DUE, now + lease_ms, id)
if held[11] then redis.call('HSET', key, 'turn', 'come') end
local accepted_ms, first, taken = number(held[9]) or now, is_first(id, held[10]), held[13]
local dialogue = (first or taken) and take_dialogue(id, held[10], taken, accepted_ms) or ''
return {1, held[2], remaining_ms, (number(held[7]) or 0) + 1, held[8] or '', held[4] or '', now - accepted_ms,
        first and 1 or 0, rested and held[12] and 1 or 0, dialogue, held[14] and 1 or 0, number(late) or 0}
