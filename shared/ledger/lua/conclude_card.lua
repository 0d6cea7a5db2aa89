-- Stores what a card shows after its decision: only the press that decided may say so.
-- Own arguments: key (of the card), cards, out_track_id, press, result (what came of it), pause_ms (until somebody
--   else shows it)
-- Returns the card's fields; nothing if the card is another press's, or gone.
-- Needs: cards

local key, cards, out_track_id, press, result, pause_ms = unpack(ARGV, OWN, OWN + 5)
if redis.call('HGET', key, 'press') ~= press then return {} end
redis.call('HDEL', key, 'tries')
redis.call('HSET', key, 'result', result, 'ended', 1)
redis.call('HINCRBY', key, 'version', 1)
if redis.call('HGET', key, 'changeable') == '1' then redis.call('ZADD', cards, now_ms() + pause_ms, out_track_id) end
return card_fields(key)
