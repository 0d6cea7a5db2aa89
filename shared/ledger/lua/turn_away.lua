-- Notes that somebody who may not press a card has been told so. Each is told once, and so many at the most.
-- Own arguments: key (of the card), by (the userid), most
-- Returns 1 if they are to be told.

local key, by, most = unpack(ARGV, OWN, OWN + 2)
if redis.call('EXISTS', key) == 0 then return 0 end
local told = redis.call('HINCRBY', key, 'turned_away', 0)
if told >= tonumber(most) or redis.call('HSETNX', key, 'told:' .. by, 1) == 0 then return 0 end
redis.call('HINCRBY', key, 'turned_away', 1)
return 1
