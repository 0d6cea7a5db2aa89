-- Names a press of a card's button; one that repeats its person's last press on that card is the same press.
-- Own arguments: key (of that last press), what (was pressed), name (of a new press), remember_ms (how long a
--   repetition counts as the same)
-- Returns its name.

local key, what, name, remember_ms = unpack(ARGV, OWN, OWN + 3)
local last = redis.pcall('HMGET', key, 'what', 'name')
if last.err then
  redis.call('DEL', key)  -- a foreign value is in its place
elseif last[1] == what and last[2] then
  return last[2]
end
redis.call('HSET', key, 'what', what, 'name', name)
redis.call('PEXPIRE', key, remember_ms)
return name
