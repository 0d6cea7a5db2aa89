-- What both scripts begin with; RecordScript puts it before each of them.
--
-- KEYS 1 the worker   2 its executions
-- ARGV 1 prefix of jobs' keys   2 of executions'   3 of jobs' execution registries   4 the worker's
--      name
local WORKER, EXECUTIONS = unpack(KEYS, 1, 2)
local JOB, EXECUTION, REGISTRY, name = unpack(ARGV, 1, 4)

-- Somebody may have planted a key of another kind: that job's record is incomplete then, and the
-- others' is not. Any other error ends the script.
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then
    error(answer.err)
  end
  return answer
end
