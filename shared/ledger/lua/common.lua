-- The beginning of every script of the ledger; `shared/runtime/lua_source.py` puts it before each of them.
--
-- The keys of the ledger. Their names are made in `shared/ledger/keys.py`, and nowhere else.
-- KEYS, the same in every script:
--   1 QUEUES (set): the names of RQ's queues, which RQ keeps
--   2 QUEUE (list): RQ's queue, the ids of jobs in the order in which they are taken
--   3 QUEUED (sorted set): the ids of messages that are on RQ's queue, by the number of their job
--   4 DUE (sorted set): the ids of messages, by the time (ms since 1970) when a sweeper must look at them: a
--     lease or a claim runs out, a rest ends, or a job was taken from the queue and is not leased yet
--   5 DEAD (sorted set): the ids of dead letters, by the time of death (ms since 1970)
--   6 COUNT (hash): totals since the beginning, each a field:
--     accepted, answered, unmatched, refused      messages accepted, and ended in each way
--     dead:failed, dead:expired, dead:unknown     dead letters by reason, less those that were retried
--     ignored:<reason>                            callbacks that there was nothing to answer to
--     enqueued                                    the number of the last job
--     last_chance_ms                              when the next message that killed workers may be tried again
--   7 RESTING (set): the ids of accepted messages that are off the queue, waiting for a retry or their turn
-- ARGV, the same in every script, begin with prefixes of keys, since a script learns ids on its way:
--   1 MESSAGE .. id (hash): one message, see below; expires some minutes after its end, as a dead letter after a week
--   2 JOB .. id (hash): RQ's record of a job
--   3 DEAD_LETTER_PAYLOAD .. id (string): the callback's body of a dead letter; expires with the session
--   4 LINE .. ordering key (sorted set): a sender's queue, the ids of its open messages, by the number of their first job;
--     expires in two days
--   5 ENDED .. the first ENDED_DIGITS of an id (string): that a message ended well, and how, as a number of
--     `OUTCOME_NUMBERS` (`shared/ledger/states.py`); it outlives the record, and expires after three hours
-- From OWN on come the script's own arguments. `shared/ledger/scripts.py` builds them; a test compares both sides.
--
-- The fields of a message:
--   state           a `MessageState` (`shared/ledger/states.py`): accepted, leased, sending; or its end: answered,
--                   unmatched, refused, dead
--   accepted_ms, leased_ms, sending_ms, ended_ms   when it entered a state last; absent, or '', if it never did
--   reason          why it is dead: failed, expired, unknown; '' for every other end. The version before this
--                   one put reason and detail in here as one text, 'failed: why', and had no detail
--   detail          what happened in particular, or ''
--   leases          how often it was leased
--   job             the number of its last job
-- until it ends well:
--   deaths          how many workers died over it
--   noticed         set once its sender has been told to wait
-- and until it ends:
--   payload         the callback's body
--   expires_ms      when its session closes
--   line            the ordering key of its sender's queue, or ''; it is in that queue, or has left it
--   turn            waiting while it is parked, come once its turn has come
--   token           of the lease that holds it
--   claim           the claim to send its reply, by its own word
--   not_before_ms   when it may be leased again, after a pause
--   attempts        how many attempts to deliver its reply, or this part of it, have failed
--   failures        the same by kind of failure, as JSON
--   trouble         the last failure, which a dead letter names
--   prepared        the reply, or the parts that are left of it, as JSON
--
-- A server that is full refuses a script whose first write may take memory, and lets one go on that
-- has begun. So every step but the first begins with a write that takes none: what is under way when
-- the memory runs out still comes to its end.
--
-- A cluster would want every key in KEYS. RQ itself needs a single primary, so nothing is lost by prefixes.

local QUEUES, QUEUE, QUEUED, DUE, DEAD, COUNT, RESTING = unpack(KEYS)
local MESSAGE, JOB, DEAD_LETTER_PAYLOAD, LINE, ENDED = unpack(ARGV, 1, 5)
local OWN = 6

-- Reads a list that comes after its length in ARGV. Returns it, and where the next argument is.
local function counted(at)
  local after = at + 1 + ARGV[at]
  return {unpack(ARGV, at + 1, after - 1)}, after
end

-- Redis's clock decides, so workers whose clocks differ agree on leases and deadlines.
local function now_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

-- The key of what is left of a message that ended well. `LedgerKeys.ended` makes the same.
local ENDED_DIGITS = 24
local function ended_key(id)
  return ENDED .. string.sub(id, 1, ENDED_DIGITS)
end

-- The fields of a message, in order; nil if its key holds no hash. A record may have been spoilt by a
-- foreign hand: that must stop no script, since other messages go through the same one.
local function fields_of(id, ...)
  local found = redis.pcall('HMGET', MESSAGE .. id, ...)
  if not found.err then return found end
end

-- A number from a record; nil if it is none, or too large to be counted with.
local function number(text)
  local value = tonumber(text or '')
  if value and math.abs(value) < 2^53 then return value end
end

-- Whether a message, neither ended nor gone, lacks what it takes to come to its end.
local SPOILT = 'its record is spoilt'
local OUTCOMES = {answered = true, unmatched = true, refused = true, dead = true}
local function is_spoilt(state, has_payload, expires_ms)
  if state == 'accepted' or state == 'leased' then return not (has_payload and number(expires_ms)) end
  return state ~= 'sending' and not OUTCOMES[state] and (has_payload or state ~= false)
end

-- A job's id, and the number in one: '0' for a job that is none of ours. `shared/queue.py` does the same.
local function job_id_of(id, sequence)
  return id .. '-' .. sequence
end
local function number_of_job(job_id)
  return string.match(job_id, '%-(%d+)$') or '0'
end

-- Numbers jobs: returns the number before the first of so many new ones. A number only grows, so the head of the
-- queue tells which jobs have been taken off it. Fails before anything is written where a key is of another type.
local function number_jobs(count)
  redis.call('LLEN', QUEUE)
  redis.call('ZCARD', QUEUED)
  redis.call('SADD', QUEUES, QUEUE)
  return redis.call('HINCRBY', COUNT, 'enqueued', count) - count
end

-- Writes RQ's record of a message's job, and returns the job's id. A foreign value in its place stops no other
-- message: RQ skips the job then, and the next sweep makes another.
local function record_job(id, sequence, job_fields, data, created_at)
  local job_id = job_id_of(id, sequence)
  redis.pcall('HSET', JOB .. job_id, 'data', data, 'created_at', created_at,
              'enqueued_at', created_at, unpack(job_fields))
  return job_id
end

-- Puts jobs on RQ's queue: their ids in order, and the number of each with its message's id.
local function push(job_ids, numbered)
  redis.call('RPUSH', QUEUE, unpack(job_ids))
  redis.call('ZADD', QUEUED, unpack(numbered))
end

-- Puts a job for a message that has a record on RQ's queue.
local function enqueue(id, job_fields, data, created_at)
  local sequence = number_jobs(1) + 1
  push({record_job(id, sequence, job_fields, data, created_at)}, {sequence, id})
  redis.call('HSET', MESSAGE .. id, 'job', sequence)
end

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

-- Parks a message until its turn, and schedules a check whether that has come unnoticed: the further
-- back it is, the later, so that a long queue costs the sweeper little.
local function park(id, line, expires_ms, recheck_ms, now)
  local at = now + recheck_ms * redis.call('ZRANK', LINE .. line, id)
  redis.call('HSET', MESSAGE .. id, 'state', 'accepted', 'turn', 'waiting')
  redis.call('SADD', RESTING, id)
  redis.call('ZADD', DUE, math.min(at, expires_ms), id)
end

-- Takes a message out of its sender's queue; returns what `wake` returns.
local function leave(id, line, now)
  if not line or line == '' then return '' end
  query_queue('ZREM', line, id)
  return wake(line, now)
end

-- Ends a message as a dead letter: what it prepared is deleted, the rest stays for `remember_s` seconds, and its
-- payload until the session closes, so that an operator can try it again. Returns what `wake` returns.
local function make_dead_letter(id, reason, detail, remember_s, now)
  local key = MESSAGE .. id
  redis.call('ZREM', QUEUED, id)
  redis.call('ZREM', DUE, id)
  local held = fields_of(id, 'payload', 'expires_ms', 'line')
  if not held then
    redis.call('DEL', key)
    held = {}
  end
  local payload, expires_ms, line = held[1], number(held[2]), held[3]
  if payload and expires_ms and expires_ms > now then
    redis.call('SET', DEAD_LETTER_PAYLOAD .. id, payload, 'PXAT', string.format('%.0f', expires_ms))
  end
  redis.call('HSET', key, 'state', 'dead', 'reason', reason, 'detail', detail, 'ended_ms', now)
  redis.call('HDEL', key, 'payload', 'prepared', 'token', 'claim', 'expires_ms', 'not_before_ms', 'attempts',
             'failures', 'trouble', 'line', 'turn')
  redis.call('EXPIRE', key, remember_s)
  redis.call('ZADD', DEAD, now, id)
  redis.call('HINCRBY', COUNT, 'dead:' .. reason, 1)
  return leave(id, line, now)
end

-- Ends a message whose session has closed: without a reply, and with the last failure as its detail.
-- Returns what `wake` returns.
local function expire(id, remember_s, now)
  local last_failure = redis.call('HGET', MESSAGE .. id, 'trouble')
  return make_dead_letter(id, 'expired', last_failure or '', remember_s, now)
end

-- Whether the caller still holds the message: its token, and one of the states named.
local function holds(id, token, ...)
  local held = fields_of(id, 'state', 'token')
  if not held or held[2] ~= token then return false end
  for _, state in ipairs({...}) do
    if held[1] == state then return true end
  end
  return false
end
