-- Writes what RQ 3.0 writes when jobs end: `Job._handle_success`, `Job._handle_failure`,
-- `cleanup_execution`, and the worker's counters. One call for a whole batch.
--
-- KEYS 3 the FinishedJobRegistry   4 the FailedJobRegistry   5 the StartedJobRegistry
-- ARGV 5 prefix of results' keys   6 the worker's state from now on, or ''   7 seconds to keep a
--      result and 8 a failure where the job does not say; then for each job: its id, its execution's
--      id, its new status, the failure as RQ encodes it or '', when it started (s), when it ended
--      (s), and the same as RQ writes it

local FINISHED, FAILED, WIP = unpack(KEYS, 3)
local RESULTS, state, result_ttl, failure_ttl = unpack(ARGV, 5, 8)
local LONGEST_S = 366 * 24 * 3600
local succeeded, failed, worked_s = 0, 0, 0

-- A job's own value may be anything, and must not keep the others from ending.
local function seconds(value, default)
  value = math.floor(tonumber(value) or 0)
  if value >= 1 and value <= LONGEST_S then return value end
  return tonumber(default)
end

for at = 9, #ARGV, 7 do
  local job_id, execution_id, status, failure, began, ended, ended_at = unpack(ARGV, at, at + 6)
  local key, both = JOB .. job_id, job_id .. ':' .. execution_id
  -- A call whose response got lost is repeated: jobs that it ended have no execution any more. Nor
  -- has a job that outlived its heartbeats; RQ has recorded it as abandoned, and failed.
  local held = redis.call('DEL', EXECUTION .. both) == 1
  if held or status == 'finished' and try('HGET', key, 'status') == 'failed' then
    try('ZREM', WIP, both)
    try('ZREM', REGISTRY .. job_id, execution_id)
    try('SREM', EXECUTIONS, both)
    local kept = try('HMGET', key, 'result_ttl', 'failure_ttl')
    local ttl, registry, result
    if status == 'finished' then
      ttl, registry = seconds(kept[1], result_ttl), FINISHED
      try('ZREM', FAILED, job_id)
      result, succeeded = {'type', 1, 'worker_name', name}, succeeded + 1
    else
      ttl, registry = seconds(kept[2], failure_ttl), FAILED
      result, failed = {'type', 2, 'worker_name', name, 'exc_string', failure}, failed + 1
    end
    try('HSET', key, 'status', status, 'ended_at', ended_at)
    redis.call('EXPIRE', key, ttl)
    try('XADD', RESULTS .. job_id, 'MAXLEN', '~', 10, '*', 'execution_id', execution_id,
               'execution_started_at', began, 'execution_ended_at', ended, unpack(result))
    redis.call('EXPIRE', RESULTS .. job_id, ttl)
    try('ZADD', registry, math.floor(ended) + ttl, job_id)
    worked_s = worked_s + ended - began
  end
end
-- A counter that holds no number must not keep the jobs from ending either.
if succeeded > 0 then redis.pcall('HINCRBY', WORKER, 'successful_job_count', succeeded) end
if failed > 0 then redis.pcall('HINCRBY', WORKER, 'failed_job_count', failed) end
if worked_s > 0 then redis.pcall('HINCRBYFLOAT', WORKER, 'total_working_time', worked_s) end
if state ~= '' then try('HSET', WORKER, 'state', state) end
