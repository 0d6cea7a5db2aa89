-- Needs: sender_queue

-- A dialogue is the question that a sender was asked last in a conversation and may still answer, as its key holds it:
-- '<until_ms> <asked_ms> <JSON>'. Until when an answer may come, when the message was accepted that led to the
-- question, and what the worker wrote down for the next step (`worker/answering/dialogue.py`).
-- The first message in its sender's queue takes the dialogue into its own record when it is leased: so each of its
-- attempts sees the same, and no other message continues it as well. Its end opens another, closes this one, or puts it back.

-- How long a dialogue outlives its time: for answers that were in time and wait for a worker since.
local LATE_MS = 90 * 60 * 1000

-- Takes the dialogue that a message continues, which is the first of its queue, unless an earlier attempt has taken it.
-- Returns what a worker is told of it: its JSON, 'late' if the message came too late for it, or '' if there is none.
local function take_dialogue(id, line, taken, accepted_ms)
  local found = taken or line and line ~= '' and redis.pcall('GET', DIALOGUE .. line)
  if type(found) ~= 'string' then return '' end
  local until_ms, asked_ms, json = string.match(found, '^(%d+) (%d+) (.*)$')
  until_ms, asked_ms = number(until_ms), number(asked_ms)
  if not (until_ms and asked_ms) then return '' end  -- a foreign hand has spoilt it
  if not taken then
    -- One that has lost its place in the queue may be older than the question.
    if accepted_ms < asked_ms and not query_queue('ZSCORE', line, id) then return '' end
    redis.call('DEL', DIALOGUE .. line)
    redis.call('HSET', MESSAGE .. id, 'dialogue', found)
  end
  return accepted_ms > until_ms and 'late' or json
end

-- Does what the end of a message does to the dialogue of its sender.
-- taken: the one that it took, or false; change: 'close', '<ms that it lasts> <ordering key, where it is not `line`> <JSON>'
-- for another question, or anything else for a message that has led to nothing.
local function change_dialogue(line, taken, change, accepted_ms, now)
  if not line or line == '' or change == 'close' then return end
  local lasts_ms, elsewhere, json = string.match(change or '', '^(%d+) (%x*) (.*)$')
  if json then
    local times = string.format('%.0f %.0f ', now + lasts_ms, accepted_ms)
    redis.call('SET', DIALOGUE .. (elsewhere ~= '' and elsewhere or line), times .. json,
               'PX', string.format('%.0f', lasts_ms + LATE_MS))
    return
  end
  local until_ms = number(taken and string.match(taken, '^%d+'))
  if until_ms and until_ms >= accepted_ms and until_ms + LATE_MS > now then
    redis.call('SET', DIALOGUE .. line, taken, 'PX', string.format('%.0f', until_ms + LATE_MS - now), 'NX')
  end
end
