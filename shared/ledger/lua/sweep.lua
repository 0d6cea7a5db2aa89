-- Looks at what is overdue: ends what can only be ended, and names what must be enqueued again.
-- Own arguments: limit (how many at the most), handover_ms (to lease what was taken from the queue), max_deaths
--   (how often a worker may die over a message), remember_s, keep_dead_ms (how long dead letters are listed),
--   recheck_ms (how soon to look again at a message that is parked as the second of its sender; those further
--   back wait longer), apart_ms (how far apart last chances begin), longest_apart_ms (how long one may wait
--   for that), journal (as in finish.lua), keep_journal_ms (how long an entry of it is kept),
--   late_ms (as in lease.lua)
-- Returns the ids to hand to requeue.lua (should that never happen, the next sweep names them again), and
-- the ids whose records are spoilt: ended, or passed over if the id is none of ours; and the ids of those
-- over which too many workers died; and the names of our keys that were removed, as they were of another type.
-- Needs: dead_letter, jobs, late, parking, sender_queue, spoilt

local limit, handover_ms, max_deaths, remember_s, keep_dead_ms, recheck_ms, apart_ms,
      longest_apart_ms, journal, keep_journal_ms, late_ms = unpack(ARGV, OWN, OWN + 10)
max_deaths, late_ms = tonumber(max_deaths), tonumber(late_ms)
local now = now_ms()
local again, spoilt, given_up, removed = {}, {}, {}, {}
local function hand_on(id)
  if id ~= '' then again[#again + 1] = id end
end

-- A foreign value in the place of one of our keys would stop every script, so it is deleted.
for key, kind in pairs({[QUEUED] = 'zset', [DUE] = 'zset', [DEAD] = 'zset', [COUNT] = 'hash', [RESTING] = 'set',
                        [HISTOGRAMS] = 'hash', [JOURNAL] = 'stream'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
    removed[#removed + 1] = key
  end
end

-- What rests is in no other list, should this one be lost.
if redis.call('EXISTS', DUE) == 0 then
  for _, id in ipairs(redis.call('SMEMBERS', RESTING)) do
    local held = fields_of(id, 'not_before_ms') or {}
    redis.call('ZADD', DUE, math.max(now, number(held[1]) or 0), id)
  end
end

-- When a message may have its last chance: not together with others that died with it, for one of them is
-- to blame, and would take all of them along to their end.
local function last_chance_at()
  local free_ms = number(redis.call('HGET', COUNT, 'last_chance_ms')) or 0
  local at = math.max(now, math.min(free_ms, now + longest_apart_ms))
  redis.call('HSET', COUNT, 'last_chance_ms', at + apart_ms)
  return at
end

-- Counts a death, and lets the message rest.
local function rest(id, deaths, at, expires_ms)
  redis.call('HDEL', MESSAGE .. id, 'token')
  redis.call('HSET', MESSAGE .. id, 'state', 'accepted', 'deaths', deaths, 'not_before_ms', at)
  redis.call('SADD', RESTING, id)
  redis.call('ZADD', DUE, math.min(at, expires_ms), id)
end

-- Whether a message whose session has closed may still be answered by a push.
local function extended(id, expires_ms)
  local late, payload = unpack(fields_of(id, 'late', 'payload'))
  return extend(id, payload, number(expires_ms), late, late_ms, now)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, limit)) do
  local held = fields_of(id, 'state', 'expires_ms', 'deaths', 'turn', 'line')
  local state = held and held[1]
  local deaths = held and (number(held[3]) or 0) + 1
  if not held or is_spoilt(state, redis.call('HEXISTS', MESSAGE .. id, 'payload') == 1, held[2]) then
    redis.call('SREM', RESTING, id)
    hand_on(make_dead_letter(id, 'failed', SPOILT, remember_s, now, journal, ''))
    spoilt[#spoilt + 1] = id
  elseif state == 'sending' then
    hand_on(make_dead_letter(id, 'unknown', 'the worker died while sending', remember_s, now, journal, ''))
  elseif state ~= 'accepted' and state ~= 'leased' then
    redis.call('SREM', RESTING, id)
    redis.call('ZREM', DUE, id)
  elseif number(held[2]) <= now and not extended(id, held[2]) then
    redis.call('SREM', RESTING, id)
    hand_on(expire(id, remember_s, now, journal))
  elseif state == 'leased' and deaths >= max_deaths then
    hand_on(make_dead_letter(id, 'failed', 'workers died over it', remember_s, now, journal, ''))
    given_up[#given_up + 1] = id
  elseif held[4] == 'waiting' and not is_first(id, held[5]) then
    park(id, held[5], number(held[2]), recheck_ms, now)
  elseif string.match(id, '^%x+$') then
    if held[4] then redis.call('HSET', MESSAGE .. id, 'turn', 'come') end
    local at = state == 'leased' and deaths == max_deaths - 1 and last_chance_at() or now
    if at > now then rest(id, deaths, at, number(held[2])) else hand_on(id) end
  else
    redis.call('ZREM', DUE, id)
    spoilt[#spoilt + 1] = id
  end
end

-- A message whose job has been taken off the queue must be leased soon. Jobs are numbered in the order of the
-- queue, so those before its head have been taken; this costs the same however long the queue is.
local head = redis.call('LINDEX', QUEUE, 0)
local before = head and '(' .. (number_of_job(head)) or '+inf'
for _, id in ipairs(redis.call('ZRANGEBYSCORE', QUEUED, '-inf', before, 'LIMIT', 0, limit)) do
  redis.call('ZREM', QUEUED, id)
  redis.call('ZADD', DUE, now + handover_ms, id)
end

redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - keep_dead_ms)
redis.call('XTRIM', JOURNAL, 'MINID', string.format('%.0f', math.max(0, now - keep_journal_ms)))
return {again, spoilt, given_up, removed}
