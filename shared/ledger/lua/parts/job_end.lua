-- Needs: job_id

-- RQ learns from a job's worker how the job ended. Where the worker dies, RQ finds the job abandoned, and says that it
-- failed: but the message is answered, or will be by another job. So the ledger tells RQ first. RQ takes a job for
-- abandoned only if its status is 'started' (RQ 3.0, `StartedJobRegistry.cleanup`).
local FORGET_S = 500

-- Whether RQ's record of a job is there, whatever is in its place; it goes when nobody tells RQ of its end.
local function expire_job(job_id)
  return redis.call('EXPIRE', JOB .. job_id, FORGET_S) == 1
end

-- Tells RQ that a job has finished, because its message has ended well; `complete.lua` of its worker records it, if
-- that lives. Returns RQ's name of the worker, or ''.
local function finish_job(id, sequence)
  local job_id = job_id_of(id, sequence)
  local held = redis.pcall('HMGET', JOB .. job_id, 'status', 'worker_name')
  if held[1] == 'started' and expire_job(job_id) then redis.call('HSET', JOB .. job_id, 'status', 'finished') end
  if held[1] == 'failed' then redis.pcall('ZREM', FAILED, job_id) end
  return held[2] or ''
end

-- Takes a job that another one replaces out of RQ's records.
local function replace_job(id, sequence)
  local job_id = job_id_of(id, sequence)
  local status = redis.pcall('HGET', JOB .. job_id, 'status')
  if type(status) ~= 'string' or status == 'finished' then return end
  if expire_job(job_id) then redis.call('HSET', JOB .. job_id, 'status', 'canceled') end
  redis.pcall('ZREM', FAILED, job_id)
  redis.pcall('LREM', INTERMEDIATE, 0, job_id)
end
