-- The beginning of both scripts; RecordScript puts it before each of them.
--
-- KEYS 1 the worker   2 its executions
-- ARGV 1 prefix of jobs' keys   2 of executions'   3 of jobs' execution registries   4 the worker's
--      name
-- From OWN on come the script's own arguments, as fetcher.py and completer.py name them; a test compares both sides.
local WORKER, EXECUTIONS = unpack(KEYS, 1, 2)
local JOB, EXECUTION, REGISTRY, name = unpack(ARGV, 1, 4)
local OWN = 5

-- Somebody may have planted a key of another type: then only that job's record is incomplete. Any other error ends the script.
local function try(...)
  local result = redis.pcall(...)
  if type(result) == 'table' and result.err and not string.find(result.err, 'WRONGTYPE', 1, true) then
    error(result.err)
  end
  return result
end
