-- Notes that a card shows everybody what it should, unless that has changed meanwhile.
-- Own arguments: key (of the card), cards, out_track_id, version (that is shown), given_up_ms
--   (how long after its decision a card whose skill is still at work is looked at again)
-- Returns 1, or 0 if it has changed.

local key, cards, out_track_id, version, given_up_ms = unpack(ARGV, OWN, OWN + 4)
local current, state, expires_ms, decided_ms, ended = unpack(redis.call('HMGET', key, 'version', 'state', 'expires_ms',
  'decided_ms', 'ended'))
local gives_up_ms = state == 'decided' and not ended and decided_ms + given_up_ms
if current and current ~= version then return 0 end
redis.call('HDEL', key, 'tries')
if state == 'open' then
  redis.call('ZADD', cards, expires_ms, out_track_id)
elseif gives_up_ms and now_ms() < gives_up_ms then
  redis.call('ZADD', cards, gives_up_ms, out_track_id)
else
  redis.call('ZREM', cards, out_track_id)
end
return 1
