-- Accepts a batch of messages: each is recorded and enqueued, or known already, or one too many.
-- Own arguments: backlog_limit (what waits on the queue, or for another attempt), longest_ms (of a session),
--   unstated_ms (a session where none is stated), created_at (now as RQ writes it), the job's fields, counted;
--   then for each message: id, payload, expires_ms (its session's end, or ''), data (of its job), line (its
--   ordering key, or '')
-- Returns for each message 'accepted', 'duplicate' or 'full'.

local backlog_limit, longest_ms, unstated_ms, created_at = unpack(ARGV, OWN, OWN + 3)
local job_fields, first = counted(OWN + 4)
longest_ms, unstated_ms = tonumber(longest_ms), tonumber(unstated_ms)
local now = now_ms()
local room = backlog_limit - redis.call('LLEN', QUEUE) - redis.call('SCARD', RESTING)
local outcomes = {}

for at = first, #ARGV, 5 do
  local id, payload, expires_ms, data, line = unpack(ARGV, at, at + 4)
  local key = MESSAGE .. id
  if redis.call('EXISTS', key, ended_key(id)) > 0 then
    outcomes[#outcomes + 1] = 'duplicate'
  elseif room < 1 then
    outcomes[#outcomes + 1] = 'full'
  else
    expires_ms = math.max(0, math.min(tonumber(expires_ms) or now + unstated_ms, now + longest_ms))
    redis.call('HSET', key, 'state', 'accepted', 'payload', payload,
               'expires_ms', string.format('%.0f', expires_ms), 'accepted_ms', now, 'line', line)
    local sequence = enqueue(id, job_fields, data, created_at)
    if line ~= '' then
      redis.pcall('ZADD', LINE .. line, sequence, id)
      redis.call('PEXPIRE', LINE .. line, 2 * longest_ms)
    end
    redis.call('HINCRBY', COUNT, 'accepted', 1)
    room = room - 1
    outcomes[#outcomes + 1] = 'accepted'
  end
end
return outcomes
