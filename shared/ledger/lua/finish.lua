-- Ends a message.
-- Own arguments: id, token, state (answered, unmatched, refused, dead), reason (failed, expired, unknown; ''
--   unless it is dead), detail (or ''), record_s (how long its record is kept), remembered_as (the
--   number of its state, which outlives the record; '' if it is dead), remember_s (how long that is kept), journal
--   (how many entries it keeps), facts (what the worker noted, or '' for what is stored of that), dialogue_after (as
--   in claim_send.lua)
-- Returns {1, whose turn it is now, or ''}, or {0} if somebody else has ended or taken it.
-- Needs: dead_letter, dialogue, ended, histograms, job_end, journal, sender_queue

local id, token, state, reason, detail, record_s, remembered_as, remember_s, journal,
      facts, dialogue_after = unpack(ARGV, OWN, OWN + 10)
local key = MESSAGE .. id
local held = fields_of(id, 'state', 'token', 'line', 'accepted_ms', 'leased_ms', 'sending_ms', 'leases', 'job',
                       'attempts', 'facts', 'dialogue', 'dialogue_after')
if not held or held[2] ~= token or held[1] ~= 'leased' and held[1] ~= 'sending' then return {0} end
local now = now_ms()
if state == 'dead' then return {1, make_dead_letter(id, reason, detail, record_s, now, journal, facts)} end

-- What is leased is not on the queue, so it is in no other list than this one.
redis.call('ZREM', DUE, id)
if dialogue_after == '' then dialogue_after = held[12] or '' end
if held[11] or dialogue_after ~= '' then
  change_dialogue(held[3], held[11], dialogue_after, number(held[4]) or now, now)
end
local woken = leave(id, held[3], now)
-- A hash that held a payload stays twice as large without it: so a new one tells how it went.
redis.call('DEL', key)
redis.call('HSET', key, 'state', state, 'ended_ms', now, 'accepted_ms', held[4] or '', 'leased_ms', held[5] or '',
           'sending_ms', held[6] or '', 'leases', held[7] or '', 'job', held[8] or '')
if detail ~= '' then redis.call('HSET', key, 'detail', detail) end
redis.call('EXPIRE', key, record_s)
redis.call('SET', ended_key(id), remembered_as, 'EX', remember_s)
redis.call('HINCRBY', COUNT, state, 1)
add_times(held[4], held[5], held[6], now)
if facts == '' then facts = held[10] or '' end
add_to_journal(journal, id, state, '', detail, held[4], held[5], held[6], held[7], attempts_until(held[1], held[9]),
               finish_job(id, held[8] or ''), facts)
return {1, woken}
