-- Needs: jobs, parking, sender_queue

-- Records messages that are new, and enqueues them; or parks those of a sender who has too many on the queue. Each is
-- {id, payload, expires_ms, data, line}. What several of them share is written once, and all that may fail comes first.
local function accept_new(new, job_fields, created_at, longest_ms, most_queued, recheck_ms, now)
  redis.call('ZCARD', DUE)
  local sequence = number_jobs(#new)
  redis.call('HINCRBY', COUNT, 'accepted', #new)
  local job_ids, numbered = {}, {}
  for _, message in ipairs(new) do
    local id, payload, expires_ms, data, line = unpack(message)
    sequence, expires_ms = sequence + 1, math.max(0, math.min(expires_ms, now + longest_ms))
    redis.call('HSET', MESSAGE .. id, 'state', 'accepted', 'payload', payload, 'expires_ms',
               string.format('%.0f', expires_ms), 'accepted_ms', now, 'line', line, 'job', sequence)
    local before = 0
    if line ~= '' then
      redis.pcall('ZADD', LINE .. line, sequence, id)
      redis.call('PEXPIRE', LINE .. line, 2 * longest_ms)
      before = (query_queue('ZCARD', line) or 0) - 1
    end
    if before >= most_queued and not is_first(id, line) then
      park(id, line, expires_ms, recheck_ms, now)
    else
      job_ids[#job_ids + 1] = record_job(id, sequence, job_fields, data, created_at)
      numbered[#numbered + 1], numbered[#numbered + 2] = sequence, id
    end
  end
  if #job_ids > 0 then push(job_ids, numbered) end
end

-- How many messages may be accepted before so many wait, on the queue or for another attempt.
local function room_for(backlog_limit)
  return backlog_limit - redis.call('LLEN', QUEUE) - redis.call('SCARD', RESTING)
end
