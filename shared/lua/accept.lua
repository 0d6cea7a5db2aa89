-- Accepts a batch of messages: each is recorded and enqueued, or known already, or one too many.
-- ARGV 3 backlog limit (what waits on the queue, or for another attempt), 4 longest session (ms),
--   5 session where none is stated (ms), 6 now as RQ writes it, 7 how many parts the job's fields have,
--   then those parts; then for each message: id, payload, session's end in ms (or ''), job's data, its
--   sender's line (or '')
-- Returns for each message 'accepted', 'duplicate' or 'full'.

local limit, longest_ms, unstated_ms, created_at = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local first = 8 + ARGV[7]
local job_fields = {unpack(ARGV, 8, first - 1)}
local now = now_ms()
local room = limit - redis.call('LLEN', QUEUE) - redis.call('SCARD', RESTING)
local outcomes = {}

for at = first, #ARGV, 5 do
  local id, payload, expires_ms, data, line = unpack(ARGV, at, at + 4)
  local key = MESSAGE .. id
  if redis.call('EXISTS', key) == 1 then
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
