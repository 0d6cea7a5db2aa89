-- Takes jobs off a queue and writes what RQ 3.0 writes when they start: `Execution.create`,
-- `Job.prepare_for_execution`, and the worker's state. One call for a whole batch.
--
-- KEYS 3 the queue   4 its intermediate queue   5 its StartedJobRegistry
-- Own arguments: started_at (now as RQ writes it), started_s (the same in seconds), heartbeat_s (seconds between two
--   heartbeats), reserved ('=' and a job that is in the intermediate queue already, or ''), limit (how many jobs),
--   execution_prefix (28 hex digits that no other call has; the four that follow count)
-- It begins with a write that takes no memory, so a full Redis lets it run: see shared/ledger/lua/common.lua.
-- Returns job's id, execution's id, the job's data; and so on for each job that started. For an id
--   that RQ can't have written: the id, '' and ''.

local QUEUE, INTERMEDIATE, WIP = unpack(KEYS, 3)
local started_at, started_s, heartbeat_s, reserved, limit, execution_prefix = unpack(ARGV, OWN, OWN + 5)
heartbeat_s = tonumber(heartbeat_s)
local found, longest_s = {}, 0
local LONGEST_ID = 128

-- `BaseWorker.get_heartbeat_ttl`: a minute beyond the next heartbeat, or beyond the job's timeout.
local function ttl_of(timeout)
  timeout = tonumber(timeout)
  if timeout and timeout > 0 then return math.floor(math.min(timeout, heartbeat_s)) + 60 end
  return heartbeat_s + 60
end

for number = 1, tonumber(limit) do
  local execution_id = string.format('%s%04x', execution_prefix, number)
  local job_id
  if reserved ~= '' then
    job_id, reserved = string.sub(reserved, 2), ''
    try('LREM', INTERMEDIATE, 1, job_id)
  else
    job_id = redis.call('LPOP', QUEUE)
  end
  if not job_id then break end
  -- RQ's own ids (`rq.job.validate_job_id`), and not too long to be shown.
  local readable = #job_id <= LONGEST_ID and string.find(job_id, '^[%w_-]+$')
  local job = readable and try('HMGET', JOB .. job_id, 'data', 'timeout') or {}
  if not readable then
    found[#found + 1] = job_id
    found[#found + 1] = ''
    found[#found + 1] = ''
  elseif job[1] then
    local ttl, both = ttl_of(job[2]), job_id .. ':' .. execution_id
    redis.call('HSET', EXECUTION .. both, 'id', execution_id, 'job_id', job_id, 'created_at', started_s,
               'last_heartbeat', started_s, 'worker_name', name)
    redis.call('EXPIRE', EXECUTION .. both, ttl)
    try('ZADD', REGISTRY .. job_id, math.floor(started_s) + ttl + 60, execution_id)
    try('EXPIRE', REGISTRY .. job_id, ttl + 60)
    try('ZADD', WIP, math.floor(started_s) + ttl, both)
    try('SADD', EXECUTIONS, both)
    try('HSET', JOB .. job_id, 'status', 'started', 'started_at', started_at,
               'last_heartbeat', started_at, 'worker_name', name)
    redis.call('PERSIST', JOB .. job_id)
    longest_s = math.max(longest_s, ttl)
    found[#found + 1] = job_id
    found[#found + 1] = execution_id
    found[#found + 1] = job[1]
  end
end
if longest_s > 0 then
  redis.call('EXPIRE', EXECUTIONS, longest_s + 60)
  try('HSET', WORKER, 'state', 'busy')
end
return found
