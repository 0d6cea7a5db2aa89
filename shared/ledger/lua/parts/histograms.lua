-- How long ended messages took, by stage: `Stage` of `shared/ledger/histograms.py` says which times bound each, and a
-- test compares the bounds of the buckets with its `BUCKETS_S`.
-- HISTOGRAMS has a field for each bucket that anything fell into, '<stage>:<number>' from 0, of which the last is for
-- what exceeds all bounds; and '<stage>:sum_ms'. Buckets are not cumulative.
local BUCKETS_MS = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000}

-- The bucket of a stage, how many messages to add to it (1), and how many ms: nothing where one of its times is missing,
-- or the second is before the first.
local function measure(from_ms, to_ms)
  local took_ms = from_ms and to_ms and to_ms - from_ms or -1
  if took_ms < 0 then return 0, 0, 0 end
  local bucket = 0
  while took_ms > (BUCKETS_MS[bucket + 1] or took_ms) do bucket = bucket + 1 end
  return bucket, 1, took_ms
end

-- Adds the times of a message that ends now. What a foreign hand has spoilt stops no message: a field that holds no
-- number begins again, and in a key of another type nothing is counted until the sweeper has removed it.
local function add_times(accepted_ms, leased_ms, sending_ms, now)
  accepted_ms, leased_ms, sending_ms = number(accepted_ms), number(leased_ms), number(sending_ms)
  -- A claim by an earlier attempt is no step of this one.
  if leased_ms and sending_ms and sending_ms < leased_ms then sending_ms = nil end
  local queue, queued, queue_ms = measure(accepted_ms, leased_ms)
  local skill, asked, skill_ms = measure(leased_ms, sending_ms)
  local delivery, sent, delivery_ms = measure(sending_ms, now)
  local total, ended, total_ms = measure(accepted_ms, now)
  queue, skill, delivery, total = 'queue:' .. queue, 'skill:' .. skill, 'delivery:' .. delivery, 'total:' .. total
  -- All read and written at once: as many HINCRBY would take a third longer, and twice as much of the append-only file.
  local found = redis.pcall('HMGET', HISTOGRAMS, queue, 'queue:sum_ms', skill, 'skill:sum_ms',
                            delivery, 'delivery:sum_ms', total, 'total:sum_ms')
  if found.err then return end
  local function plus(n, more)
    return (number(found[n]) or 0) + more
  end
  redis.call('HSET', HISTOGRAMS, queue, plus(1, queued), 'queue:sum_ms', plus(2, queue_ms),
             skill, plus(3, asked), 'skill:sum_ms', plus(4, skill_ms),
             delivery, plus(5, sent), 'delivery:sum_ms', plus(6, delivery_ms),
             total, plus(7, ended), 'total:sum_ms', plus(8, total_ms))
end
