-- Finds the cards that show something else than they should: their time is over, or the worker that had something to
-- show did not. Each is given to one worker, and to another after a pause that grows.
-- Own arguments: cards, prefix (of a card's key), limit, pause_ms, longest_pause_ms, most_tries
-- Returns an array for each: its outTrackId, then its fields.
-- Needs: cards

local cards, prefix, limit, pause_ms, longest_pause_ms, most_tries = unpack(ARGV, OWN, OWN + 5)
local now = now_ms()
local due = {}
for _, out_track_id in ipairs(redis.call('ZRANGE', cards, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
  local key = prefix .. out_track_id
  local found = redis.pcall('HMGET', key, 'state', 'expires_ms', 'tries')
  -- A foreign hand may have put something else in its place: then nobody can show it.
  local state, expires_ms, tries = found[1], number(found[2]), (number(found[3] or 0) or 0) + 1
  if found.err or not state or not expires_ms or tries > tonumber(most_tries) then
    redis.call('ZREM', cards, out_track_id)
  else
    redis.call('HSET', key, 'tries', tries)
    if state == 'open' and now >= expires_ms then
      redis.call('HSET', key, 'state', 'expired')
      redis.call('HINCRBY', key, 'version', 1)
    end
    local pause = math.min(pause_ms * 2 ^ (tries - 1), tonumber(longest_pause_ms))
    redis.call('ZADD', cards, now + pause, out_track_id)
    due[#due + 1] = {out_track_id, unpack(card_fields(key))}
  end
end
return due
