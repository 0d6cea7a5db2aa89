-- Needs: dialogue, histograms, job_id, journal, sender_queue

-- A field of an object of JSON if it is a string of an id's length, else ''.
local function id_in(object, name)
  local value = type(object) == 'table' and object[name]
  return type(value) == 'string' and #value <= 256 and value or ''
end

local function decoded(text)
  local is_read, found = pcall(cjson.decode, text or '')
  return is_read and type(found) == 'table' and found or nil
end

-- What a worker would have noted of a message by its payload alone: whose it is, as the JSON of `MessageFacts`;
-- '' where the payload can't be read.
local function facts_in(payload)
  local callback = decoded(payload)
  if not callback then return '' end
  if type(callback[1]) == 'string' then  -- an event or a card action: see `shared/dingtalk/notification.py`
    local kind, robot, headers = callback[1], id_in(callback, 2), callback[3]
    if kind == 'event' then
      kind = kind .. ': ' .. id_in(headers, 'eventType')
      return cjson.encode({kind = kind, robot = robot, msg_id = id_in(headers, 'eventId')})
    end
    local action = type(callback[4]) == 'string' and decoded(callback[4])
    return cjson.encode({kind = kind, robot = robot, msg_id = id_in(action, 'outTrackId'),
                         sender = id_in(action, 'userId')})
  end
  local sender = id_in(callback, 'senderStaffId')
  if sender == '' then sender = id_in(callback, 'senderId') end
  return cjson.encode({msg_id = id_in(callback, 'msgId'), robot = id_in(callback, 'robotCode'), sender = sender,
                       conversation = id_in(callback, 'conversationId')})
end

-- Ends a message as a dead letter: what it prepared is deleted, the rest stays for `remember_s` seconds, and its
-- payload until the session closes, so that an operator can try it again. `journal` and `facts` as in finish.lua.
-- What its reply does to a dialogue is done if that was most likely shown; else the dialogue is what it was.
-- Returns what `wake` returns.
local function make_dead_letter(id, reason, detail, remember_s, now, journal, facts)
  local key = MESSAGE .. id
  redis.call('ZREM', QUEUED, id)
  redis.call('ZREM', DUE, id)
  local held = fields_of(id, 'payload', 'expires_ms', 'line', 'accepted_ms', 'leased_ms', 'sending_ms',
                         'state', 'leases', 'attempts', 'job', 'facts', 'dialogue', 'dialogue_after')
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
             'failures', 'trouble', 'line', 'turn', 'dialogue', 'dialogue_after', 'card')
  if held[12] or held[13] then
    change_dialogue(line, held[12], reason == 'unknown' and held[13] or '', number(held[4]) or now, now)
  end
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
