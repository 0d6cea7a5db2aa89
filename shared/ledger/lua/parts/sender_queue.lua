-- A sender's queue holds its open messages in the order in which they were accepted; an empty one is gone.
-- A message that is not the first may be parked, by the worker that takes it, or already when it is accepted if
-- many are before it: it is accepted, on no queue, with `turn` 'waiting', and is looked at again in a while. A message
-- that leaves the queue gives the next one its turn.

-- Queries a sender's queue; nothing is found in one that a foreign hand has spoilt.
local function query_queue(command, line, ...)
  local found = redis.pcall(command, LINE .. line, ...)
  return not (type(found) == 'table' and found.err) and found
end

-- Finds the first open message of a sender's queue. An end that was written without leaving it (by a worker of
-- an earlier release), and a record that is gone or unreadable, hold nobody up.
local function head_of(line)
  while true do
    local head = (query_queue('ZRANGE', line, 0, 0) or {})[1]
    if not head then return nil end
    local state = redis.pcall('HGET', MESSAGE .. head, 'state')
    if state == 'accepted' or state == 'leased' or state == 'sending' then return head end
    redis.call('ZREM', LINE .. line, head)
  end
end

-- Whether no earlier message of its sender is open; true of a message that is in no queue.
local function is_first(id, line)
  local rank = query_queue('ZRANK', line or '', id)
  return not rank or rank == 0 or head_of(line) == id
end

-- Gives the first of a sender's queue its turn if it is parked. Returns its id, to be handed to requeue.lua, or
-- ''; should that never happen, the next sweep names it.
local function wake(line, now)
  local head = head_of(line)
  if not head or redis.call('HGET', MESSAGE .. head, 'turn') ~= 'waiting' then return '' end
  redis.call('HSET', MESSAGE .. head, 'turn', 'come')
  redis.call('ZADD', DUE, now, head)
  return head
end

-- Takes a message out of its sender's queue; returns what `wake` returns.
local function leave(id, line, now)
  if not line or line == '' then return '' end
  query_queue('ZREM', line, id)
  return wake(line, now)
end
