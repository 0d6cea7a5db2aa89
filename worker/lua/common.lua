-- What the scripts of the books begin with; Books puts it before each of them.
--
-- Somebody may have planted a key of another kind: that job's record is incomplete then, and the
-- others' is not. Any other error ends the script.
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then
    error(answer.err)
  end
  return answer
end
