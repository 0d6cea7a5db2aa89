-- Accepts a batch of messages: each is recorded and enqueued (or parked), or known already, or one too many.
-- Own arguments: backlog_limit (what waits on the queue, or for another attempt), longest_ms (of a session),
--   unstated_ms (a session where none is stated), created_at (now as RQ writes it), most_queued (of one sender; a
--   message beyond that is parked, so that it is before nobody else's on the queue), recheck_ms (as in park.lua),
--   the job's fields, counted;
--   then for each message: id, payload, expires_ms (its session's end, or ''), data (of its job), line (its
--   ordering key, or '')
-- Returns for each message 'accepted', 'duplicate' or 'full'.
--
-- What several messages share is written once. All that may fail comes first, so nothing is half accepted.
-- Needs: ended, jobs, parking, sender_queue

local backlog_limit, longest_ms, unstated_ms, created_at, most_queued, recheck_ms = unpack(ARGV, OWN, OWN + 5)
local job_fields, first = counted(OWN + 6)
most_queued = tonumber(most_queued)
longest_ms, unstated_ms = tonumber(longest_ms), tonumber(unstated_ms)
local now = now_ms()
local room = backlog_limit - redis.call('LLEN', QUEUE) - redis.call('SCARD', RESTING)
local new, seen, outcomes = {}, {}, {}

for at = first, #ARGV, 5 do
  local id, payload, expires_ms, data, line = unpack(ARGV, at, at + 4)
  local outcome = 'accepted'
  if seen[id] or redis.call('EXISTS', MESSAGE .. id, ended_key(id)) > 0 then
    outcome = 'duplicate'
  elseif #new >= room then
    outcome = 'full'
  else
    seen[id] = true
    new[#new + 1] = {id, payload, tonumber(expires_ms) or now + unstated_ms, data, line}
  end
  outcomes[#outcomes + 1] = outcome
end
if #new == 0 then return outcomes end

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
return outcomes
