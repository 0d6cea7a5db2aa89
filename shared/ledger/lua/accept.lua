-- Accepts a batch of messages: each is recorded and enqueued, or known already, or one too many.
-- Own arguments: backlog_limit (what waits on the queue, or for another attempt), longest_ms (of a session),
--   unstated_ms (a session where none is stated), created_at (now as RQ writes it), the job's fields, counted;
--   then for each message: id, payload, expires_ms (its session's end, or ''), data (of its job), line (its
--   ordering key, or '')
-- Returns for each message 'accepted', 'duplicate' or 'full'.
--
-- What several messages share is written once. All that may fail comes first, so nothing is half accepted.

local backlog_limit, longest_ms, unstated_ms, created_at = unpack(ARGV, OWN, OWN + 3)
local job_fields, first = counted(OWN + 4)
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

local sequence = number_jobs(#new)
redis.call('HINCRBY', COUNT, 'accepted', #new)
local job_ids, numbered = {}, {}
for position, message in ipairs(new) do
  local id, payload, expires_ms, data, line = unpack(message)
  sequence = sequence + 1
  redis.call('HSET', MESSAGE .. id, 'state', 'accepted', 'payload', payload, 'expires_ms',
             string.format('%.0f', math.max(0, math.min(expires_ms, now + longest_ms))), 'accepted_ms', now,
             'line', line, 'job', sequence)
  if line ~= '' then
    redis.pcall('ZADD', LINE .. line, sequence, id)
    redis.call('PEXPIRE', LINE .. line, 2 * longest_ms)
  end
  job_ids[position] = record_job(id, sequence, job_fields, data, created_at)
  numbered[2 * position - 1], numbered[2 * position] = sequence, id
end
push(job_ids, numbered)
return outcomes
