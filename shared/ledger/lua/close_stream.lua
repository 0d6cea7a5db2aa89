-- Notes that a card has been ended for a message that ended without it.
-- Own arguments: id, key (of the record), open_streams (as in note_stream.lua)

local id, key, open_streams = unpack(ARGV, OWN, OWN + 2)
redis.call('ZREM', open_streams, id)
if redis.call('HGET', key, 'state') == 'closing' then
  redis.call('HSET', key, 'state', 'ended')
  redis.call('HDEL', key, 'text', 'was', 'claims', 'closing_ms')
end
