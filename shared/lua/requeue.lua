-- Enqueues overdue messages again. ARGV 3 now as RQ writes it, 4 how many parts the job's fields
--   have, then those parts; then for each message: id, job's data. Returns how many it enqueued.

local created_at = ARGV[3]
local first = 5 + ARGV[4]
local job_fields = {unpack(ARGV, 5, first - 1)}
local now = now_ms()
local enqueued = 0

for at = first, #ARGV, 2 do
  local id, data = ARGV[at], ARGV[at + 1]
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
