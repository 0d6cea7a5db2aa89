-- Gives one call its turn.
-- Own arguments: interval_ms (between two calls), burst_ms (how much earlier than at these intervals calls may come, where
--   there were few before), longest_ms (how long the caller waits)
-- Returns how many ms the call has to wait, or -1 if that is longer than it waits: then it has no turn.

local interval_ms, burst_ms, longest_ms = unpack(ARGV, OWN, OWN + 2)
local now = now_ms()
local free_ms, paused_ms = times(now)
local at = math.max(now, free_ms - burst_ms, paused_ms)
if at - now > tonumber(longest_ms) then return -1 end
keep('free_ms', math.max(at, free_ms) + interval_ms)
return math.ceil(at - now)
