-- Stores a card before DingTalk shows it. One that is stored already stays as it is.
-- Own arguments: key (of the card), cards, out_track_id, robot, content, expires_in_ms, keep_ms (how long it is kept
--   after its expiry), changeable (1: a card of DingTalk's that can be changed; 0: a message, which can't)
-- Returns its fields.
-- Needs: cards

local key, cards, out_track_id, robot, content, expires_in_ms, keep_ms, changeable = unpack(ARGV, OWN, OWN + 7)
if redis.call('HSETNX', key, 'state', 'open') == 1 then
  local expires_ms = now_ms() + expires_in_ms
  redis.call('HSET', key, 'robot', robot, 'content', content, 'expires_ms', expires_ms, 'changeable', changeable,
    'version', 1)
  redis.call('PEXPIREAT', key, expires_ms + keep_ms)
  if changeable == '1' then redis.call('ZADD', cards, expires_ms, out_track_id) end
end
return card_fields(key)
