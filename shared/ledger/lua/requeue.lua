-- Enqueues overdue messages again.
-- Own arguments: created_at (now as RQ writes it), the job's fields, counted; then for each message: id, data
--   (of its job). Returns how many it enqueued.
-- Needs: jobs

local created_at = unpack(ARGV, OWN, OWN)
local job_fields, first = counted(OWN + 1)
local now = now_ms()
local enqueued = 0

for at = first, #ARGV, 2 do
  local id, data = unpack(ARGV, at, at + 1)
  local key = MESSAGE .. id
  local held, due = fields_of(id, 'state', 'deaths') or {}, redis.call('ZSCORE', DUE, id)
  local state = held[1]
  -- Another sweeper, or a worker that came after all, may have been here since the sweep.
  if due and tonumber(due) <= now and (state == 'accepted' or state == 'leased') then
    redis.call('ZREM', DUE, id)
    redis.call('SREM', RESTING, id)
    if state == 'leased' then redis.call('HSET', key, 'deaths', (number(held[2]) or 0) + 1) end
    redis.call('HSET', key, 'state', 'accepted')
    redis.call('HDEL', key, 'token')
    enqueue(id, job_fields, data, created_at)
    enqueued = enqueued + 1
  end
end
return enqueued
