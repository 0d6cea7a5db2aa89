-- Needs: histograms, job_id, journal, sender_queue

-- What a worker would have noted of a message by its callback's body alone: whose it is, as the JSON of `MessageFacts`;
-- '' where the body can't be read.
local function facts_in(payload)
  local is_read, callback = pcall(cjson.decode, payload or '')
  if not is_read or type(callback) ~= 'table' then return '' end
  local function id_of(name)
    local value = callback[name]
    return type(value) == 'string' and #value <= 256 and value or ''
  end
  local sender = id_of('senderStaffId')
  if sender == '' then sender = id_of('senderId') end
  return cjson.encode({msg_id = id_of('msgId'), robot = id_of('robotCode'), sender = sender,
                       conversation = id_of('conversationId')})
end

-- Ends a message as a dead letter: what it prepared is deleted, the rest stays for `remember_s` seconds, and its
-- payload until the session closes, so that an operator can try it again. `journal` and `facts` as in finish.lua.
-- Returns what `wake` returns.
local function make_dead_letter(id, reason, detail, remember_s, now, journal, facts)
  local key = MESSAGE .. id
  redis.call('ZREM', QUEUED, id)
  redis.call('ZREM', DUE, id)
  local held = fields_of(id, 'payload', 'expires_ms', 'line', 'accepted_ms', 'leased_ms', 'sending_ms',
                         'state', 'leases', 'attempts', 'job', 'facts')
  if not held then
    redis.call('DEL', key)
    held = {}
  end
  local payload, expires_ms, line = held[1], number(held[2]), held[3]
  if payload and expires_ms and expires_ms > now then
    redis.call('SET', DEAD_LETTER_PAYLOAD .. id, payload, 'PXAT', string.format('%.0f', expires_ms))
  end
  if facts == '' then facts = held[11] or facts_in(payload) end
  redis.call('HSET', key, 'state', 'dead', 'reason', reason, 'detail', detail, 'ended_ms', now, 'facts', facts)
  redis.call('HDEL', key, 'payload', 'prepared', 'token', 'claim', 'expires_ms', 'not_before_ms', 'attempts',
             'failures', 'trouble', 'line', 'turn')
  redis.call('EXPIRE', key, remember_s)
  redis.call('ZADD', DEAD, now, id)
  redis.call('HINCRBY', COUNT, 'dead:' .. reason, 1)
  add_times(held[4], held[5], held[6], now)
  local worker = redis.pcall('HGET', JOB .. job_id_of(id, held[10] or ''), 'worker_name')
  add_to_journal(journal, id, 'dead', reason, detail, held[4], held[5], held[6], held[8],
                 attempts_until(held[7], held[9]), type(worker) == 'string' and worker or '', facts)
  return leave(id, line, now)
end

-- Ends a message whose session has closed: without a reply, and with the last failure as its detail.
-- Returns what `wake` returns.
local function expire(id, remember_s, now, journal)
  local last_failure = redis.call('HGET', MESSAGE .. id, 'trouble')
  return make_dead_letter(id, 'expired', last_failure or '', remember_s, now, journal, '')
end
