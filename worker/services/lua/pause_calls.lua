-- Lets nobody call for a while. Own arguments: pause_ms

local pause_ms = unpack(ARGV, OWN, OWN)
local now = now_ms()
local _, paused_ms = times(now)
keep('paused_ms', math.max(paused_ms, now + pause_ms))
