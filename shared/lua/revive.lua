-- Accepts a dead letter once more, as an operator asks for.
-- ARGV 3 id, 4 margin before the session's end (ms), 5 job's data, 6 now as RQ writes it, 7 how many
--   parts the job's fields have, then those parts
-- Returns 'accepted', or why not: 'gone', the state that it is in, or 'expired'.

local id, margin_ms, data, created_at = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local job_fields = {unpack(ARGV, 8, 7 + ARGV[7])}
local key = MESSAGE .. id
local held = fields_of(id, 'state', 'reason') or {}
if held[1] ~= 'dead' then return held[1] or 'gone' end

local letter = LETTER .. id
local payload, left_ms = redis.pcall('GET', letter), redis.call('PTTL', letter)
if type(payload) ~= 'string' or left_ms <= margin_ms then return 'expired' end
redis.call('DEL', letter)
local expires_ms = string.format('%.0f', now_ms() + left_ms)
redis.call('HSET', key, 'state', 'accepted', 'payload', payload, 'expires_ms', expires_ms)
redis.call('HDEL', key, 'reason', 'detail', 'ended_ms', 'leased_ms', 'sending_ms', 'deaths', 'leases', 'noticed', 'attempts')
redis.call('PERSIST', key)
redis.call('ZREM', DEAD, id)
-- The version before this one stored 'failed: why' as the reason, and counted by its first word.
redis.call('HINCRBY', COUNT, 'dead:' .. (string.match(held[2] or '', '^%a+') or 'failed'), -1)
enqueue(id, job_fields, data, created_at)
return 'accepted'
