-- Accepts ticks of schedules that are due, each once: whichever worker comes first, and whatever the clocks do.
-- Own arguments: backlog_limit, longest_ms, created_at, most_queued, recheck_ms (all as in accept.lua), remembered
--   (how many of its ticks a schedule remembers), the job's fields, counted;
--   then for each tick: ticks (the key of its schedule's memory, see common.lua), at_ms (when it is), catch_up_ms (how
--   late it may be), id, payload, life_ms (how long it may be worked on), data (of its job), line (its ordering key)
-- Returns for each tick what becomes of it, and the time of the last one before it that the schedule remembers:
--   'accepted'; 'known' if it was accepted before, or is from before the first that is remembered; 'missed' if it is too
--   late, and this is the first to see it; 'early' by Redis's clock; 'open' while an earlier one has not ended; 'full'
-- A tick is later than the first that its schedule remembers, and none of those: so no tick comes twice where a clock
-- goes back, and those that a clock which was ahead had passed over come at their time.
-- Needs: acceptance, ended, jobs

local backlog_limit, longest_ms, created_at, most_queued, recheck_ms, remembered = unpack(ARGV, OWN, OWN + 5)
local job_fields, first = counted(OWN + 6)
longest_ms, most_queued = tonumber(longest_ms), tonumber(most_queued)
local now = now_ms()
local room = room_for(backlog_limit)
local new, seen, accepted, outcomes = {}, {}, {}, {}

-- Whether the last tick that was accepted is still open; besides it, two marks may be the last that is remembered.
local function is_last_open(ticks)
  for _, member in ipairs(redis.call('ZREVRANGE', ticks, 0, 2)) do
    local state = redis.pcall('HGET', MESSAGE .. member, 'state')
    if state == 'accepted' or state == 'leased' or state == 'sending' then return true end
  end
  return false
end

local function judge(ticks, at_ms, catch_up_ms, id)
  local oldest = redis.call('ZRANGE', ticks, 0, 0, 'WITHSCORES')[2]
  if not oldest then redis.call('ZADD', ticks, now, 'since') end
  if not oldest or at_ms <= tonumber(oldest) or redis.call('ZSCORE', ticks, id) or seen[id] then
    return 'known'
  end
  if at_ms > now then return 'early' end
  if now - at_ms > catch_up_ms then
    local missed = tonumber(redis.call('ZSCORE', ticks, 'missed') or '0')
    if at_ms <= missed then return 'known' end
    redis.call('ZADD', ticks, at_ms, 'missed')
    return 'missed'
  end
  if redis.call('EXISTS', MESSAGE .. id, ended_key(id)) > 0 then
    redis.call('ZADD', ticks, at_ms, id)
    return 'known'
  end
  if is_last_open(ticks) then return 'open' end
  if #new >= room then return 'full' end
  return 'accepted'
end

for at = first, #ARGV, 8 do
  local ticks, at_ms, catch_up_ms, id, payload, life_ms, data, line = unpack(ARGV, at, at + 7)
  if redis.call('TYPE', ticks).ok ~= 'zset' then redis.call('DEL', ticks) end
  at_ms = tonumber(at_ms)
  local before = redis.call('ZREVRANGEBYSCORE', ticks, '(' .. at_ms, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  local outcome = judge(ticks, at_ms, tonumber(catch_up_ms), id)
  if outcome == 'accepted' then
    seen[id] = true
    new[#new + 1] = {id, payload, now + life_ms, data, line}
    accepted[#accepted + 1] = {ticks, at_ms, id}
  end
  outcomes[#outcomes + 1] = {outcome, before or '0'}
end
if #new > 0 then accept_new(new, job_fields, created_at, longest_ms, most_queued, recheck_ms, now) end
for _, tick in ipairs(accepted) do
  local ticks, at_ms, id = unpack(tick)
  redis.call('ZADD', ticks, at_ms, id)
  redis.call('ZREMRANGEBYRANK', ticks, 0, -1 - remembered)
end
return outcomes
