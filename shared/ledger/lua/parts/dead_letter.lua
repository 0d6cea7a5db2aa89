-- Needs: histograms, sender_queue

-- Ends a message as a dead letter: what it prepared is deleted, the rest stays for `remember_s` seconds, and its
-- payload until the session closes, so that an operator can try it again. Returns what `wake` returns.
local function make_dead_letter(id, reason, detail, remember_s, now)
  local key = MESSAGE .. id
  redis.call('ZREM', QUEUED, id)
  redis.call('ZREM', DUE, id)
  local held = fields_of(id, 'payload', 'expires_ms', 'line', 'accepted_ms', 'leased_ms', 'sending_ms')
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
  add_times(held[4], held[5], held[6], now)
  return leave(id, line, now)
end

-- Ends a message whose session has closed: without a reply, and with the last failure as its detail.
-- Returns what `wake` returns.
local function expire(id, remember_s, now)
  local last_failure = redis.call('HGET', MESSAGE .. id, 'trouble')
  return make_dead_letter(id, 'expired', last_failure or '', remember_s, now)
end
