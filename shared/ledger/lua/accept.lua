-- Accepts a batch of messages: each is recorded and enqueued (or parked), or known already, or one too many.
-- Own arguments: backlog_limit (what waits on the queue, or for another attempt), longest_ms (of a session),
--   unstated_ms (a session where none is stated), created_at (now as RQ writes it), most_queued (of one sender; a
--   message beyond that is parked, so that it is before nobody else's on the queue), recheck_ms (as in park.lua),
--   the job's fields, counted;
--   then for each message: id, payload, expires_ms (its session's end, or ''), data (of its job), line (its
--   ordering key, or '')
-- Returns for each message 'accepted', 'duplicate' or 'full'.
-- Needs: acceptance, ended, jobs

local backlog_limit, longest_ms, unstated_ms, created_at, most_queued, recheck_ms = unpack(ARGV, OWN, OWN + 5)
local job_fields, first = counted(OWN + 6)
most_queued = tonumber(most_queued)
longest_ms, unstated_ms = tonumber(longest_ms), tonumber(unstated_ms)
local now = now_ms()
local room = room_for(backlog_limit)
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
if #new > 0 then accept_new(new, job_fields, created_at, longest_ms, most_queued, recheck_ms, now) end
return outcomes
