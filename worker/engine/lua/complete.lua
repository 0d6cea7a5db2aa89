-- Writes what RQ 3.0 writes when jobs end: `Job._handle_success` or, of one with a result_ttl of 0, `Job.delete`;
-- `Job._handle_failure`; `cleanup_execution`, and the worker's counters. One call for a whole batch.
--
-- KEYS 3 the FinishedJobRegistry   4 the FailedJobRegistry   5 the StartedJobRegistry
-- Own arguments: results_prefix (of results' keys), worker_state (from now on, or ''), result_ttl_s and failure_ttl_s
--   (how long to keep either where the job does not say);
--   then for each job: job_id, execution_id, status (its new one), failure (as RQ encodes it, or ''), started_s,
--   ended_s, ended_at (the same as RQ writes it)

local FINISHED, FAILED, WIP = unpack(KEYS, 3)
local results_prefix, worker_state, result_ttl_s, failure_ttl_s = unpack(ARGV, OWN, OWN + 3)
local LONGEST_S = 366 * 24 * 3600
local succeeded, failed, worked_s = 0, 0, 0

-- A job's own value may be anything, and must not keep the others from ending.
local function seconds(value, least, default)
  value = math.floor(tonumber(value) or -1)
  if value >= least and value <= LONGEST_S then return value end
  return tonumber(default)
end

for at = OWN + 4, #ARGV, 7 do
  local job_id, execution_id, status, failure, started_s, ended_s, ended_at = unpack(ARGV, at, at + 6)
  local key, both = JOB .. job_id, job_id .. ':' .. execution_id
  -- A call whose response got lost is repeated: jobs that it ended have no execution any more. Nor
  -- has a job that outlived its heartbeats; RQ has recorded it as abandoned, and failed.
  local held = redis.call('DEL', EXECUTION .. both) == 1
  if held or status == 'finished' and try('HGET', key, 'status') == 'failed' then
    try('ZREM', WIP, both)
    try('ZREM', REGISTRY .. job_id, execution_id)
    try('SREM', EXECUTIONS, both)
    local kept = try('HMGET', key, 'result_ttl', 'failure_ttl', 'status')
    -- The ledger has told RQ that the message ended well; what went wrong afterwards is no failure of its job.
    if kept[3] == 'finished' then status = 'finished' end
    -- Nor is that of a job in whose place the ledger has put another.
    local is_replaced = kept[3] == 'canceled' and status ~= 'finished'
    local ttl, registry, result
    if status == 'finished' then
      ttl, registry = seconds(kept[1], 0, result_ttl_s), FINISHED
      try('ZREM', FAILED, job_id)
      result, succeeded = {'type', 1, 'worker_name', name}, succeeded + 1
    else
      ttl, registry = seconds(kept[2], 1, failure_ttl_s), FAILED
      result, failed = {'type', 2, 'worker_name', name, 'exc_string', failure}, failed + 1
    end
    if is_replaced then
      redis.call('EXPIRE', key, result_ttl_s)
    elseif ttl == 0 then
      redis.call('DEL', key, results_prefix .. job_id)
    else
      try('HSET', key, 'status', status, 'ended_at', ended_at)
      redis.call('EXPIRE', key, ttl)
      try('XADD', results_prefix .. job_id, 'MAXLEN', '~', 10, '*', 'execution_id', execution_id,
                 'execution_started_at', started_s, 'execution_ended_at', ended_s, unpack(result))
      redis.call('EXPIRE', results_prefix .. job_id, ttl)
      try('ZADD', registry, math.floor(ended_s) + ttl, job_id)
    end
    worked_s = worked_s + ended_s - started_s
  end
end
-- A counter that holds no number must not keep the jobs from ending either.
if succeeded > 0 then redis.pcall('HINCRBY', WORKER, 'successful_job_count', succeeded) end
if failed > 0 then redis.pcall('HINCRBY', WORKER, 'failed_job_count', failed) end
if worked_s > 0 then redis.pcall('HINCRBYFLOAT', WORKER, 'total_working_time', worked_s) end
if worker_state ~= '' then try('HSET', WORKER, 'state', worker_state) end
