-- Claims cards that a message has ended without, for one worker to end them.
-- Own arguments: prefix (of the records' keys), open_streams (as in note_stream.lua), limit (how many at the most),
--   look_ms (when to look again at one whose message is open), claim_ms (how long ending one may take)
-- Returns a list for each: its message's id, the code of its robot, what it shows, and the state before.

local prefix, open_streams, limit, look_ms, claim_ms = unpack(ARGV, OWN, OWN + 4)
local now = now_ms()
local found = redis.pcall('ZRANGEBYSCORE', open_streams, '-inf', now, 'LIMIT', 0, limit)
if found.err then
  redis.call('DEL', open_streams)  -- a foreign value is in its place
  found = {}
end
local claimed = {}
for _, id in ipairs(found) do
  local message = (fields_of(id, 'state') or {})[1]
  local key = prefix .. id
  local record = redis.pcall('HMGET', key, 'state', 'robot', 'text', 'was', 'claims')
  local state = not record.err and record[1]
  if message == 'accepted' or message == 'leased' or message == 'sending' then
    redis.call('ZADD', open_streams, now + look_ms, id)
  elseif not state or state == 'ended' then
    redis.call('ZREM', open_streams, id)
  else
    local was = state == 'closing' and record[4] or state
    local claims = (number(record[5]) or 0) + 1
    redis.call('HSET', key, 'state', 'closing', 'closing_ms', now + claim_ms, 'was', was, 'claims', claims)
    redis.call('ZADD', open_streams, now + claim_ms * claims, id)
    claimed[#claimed + 1] = {id, record[2] or '', record[3] or '', was}
  end
end
return claimed
