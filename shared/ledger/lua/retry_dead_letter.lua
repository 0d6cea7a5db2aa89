-- Accepts a dead letter once more, as an operator asks for.
-- Own arguments: id, margin_ms (before the session's end), data (of its job), created_at (now as RQ writes
--   it), line (the ordering key of its sender's queue, which it enters no more; or ''), the job's fields, counted
-- Returns 'accepted', or why not: 'gone', the state that it is in, or 'expired'.
-- Needs: jobs

local id, margin_ms, data, created_at, line = unpack(ARGV, OWN, OWN + 4)
local job_fields = counted(OWN + 5)
local key = MESSAGE .. id
local held = fields_of(id, 'state') or {}
if held[1] ~= 'dead' then return held[1] or 'gone' end

local payload_key = DEAD_LETTER_PAYLOAD .. id
local payload, remaining_ms = redis.pcall('GET', payload_key), redis.call('PTTL', payload_key)
if type(payload) ~= 'string' or remaining_ms <= tonumber(margin_ms) then return 'expired' end
redis.call('DEL', payload_key)
local expires_ms = string.format('%.0f', now_ms() + remaining_ms)
redis.call('HSET', key, 'state', 'accepted', 'payload', payload, 'expires_ms', expires_ms, 'line', line)
redis.call('HDEL', key, 'reason', 'detail', 'ended_ms', 'leased_ms', 'sending_ms', 'deaths', 'leases', 'noticed',
           'attempts', 'facts')
redis.call('PERSIST', key)
redis.call('ZREM', DEAD, id)
redis.call('HINCRBY', COUNT, 'revived', 1)
enqueue(id, job_fields, data, created_at)
return 'accepted'
