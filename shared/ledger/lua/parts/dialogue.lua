-- Needs: sender_queue

-- A dialogue is the question that a sender was asked last in a conversation and may still answer, as its key holds it:
-- '<until_ms> <asked_ms> <JSON>'. Until when an answer may come, when the message was accepted that led to the
-- question, and what the worker wrote down for the next step (`worker/answering/dialogue.py`).
-- The first message in its sender's queue takes the dialogue into its own record when it is leased: so each of its
-- attempts sees the same, and no other message continues it as well. Its end opens another, closes this one, or puts it back.

-- How long a dialogue outlives its time: for answers that were in time and wait for a worker since.
local LATE_MS = 90 * 60 * 1000

-- The times of a dialogue, and its JSON; nothing if a foreign hand has spoilt it.
local function parse_dialogue(text)
  local until_ms, asked_ms, json = string.match(text or '', '^(%d+) (%d+) (.*)$')
  return number(until_ms), number(asked_ms), json
end

-- Takes the dialogue that a message continues, which is the first of its queue. Returns what the record is to hold, or nil.
local function take_dialogue(id, line, accepted_ms)
  if not line or line == '' then return end
  local found = redis.pcall('GET', DIALOGUE .. line)
  local _, asked_ms = parse_dialogue(type(found) == 'string' and found)
  if not asked_ms then return end
  -- One that has lost its place in the queue may be older than the question.
  if accepted_ms < asked_ms and not query_queue('ZSCORE', line, id) then return end
  redis.call('DEL', DIALOGUE .. line)
  return found
end

-- What a worker is told of the dialogue that a message has taken: its JSON, 'late' if the message came too late for it, or ''.
local function told_of(taken, accepted_ms)
  local until_ms, _, json = parse_dialogue(taken)
  if not until_ms then return '' end
  return accepted_ms > until_ms and 'late' or json
end

local function keep_dialogue(key, until_ms, asked_ms, json, now, ...)
  local left_ms = until_ms + LATE_MS - now
  if left_ms <= 0 then return end
  local text = string.format('%.0f %.0f ', until_ms, asked_ms) .. json
  redis.call('SET', key, text, 'PX', string.format('%.0f', left_ms), ...)
end

-- Does what the end of a message does to the dialogue of its sender.
-- taken: the one that it took, or nil; change: 'close', '<ms that it lasts> <ordering key, where it is not `line`> <JSON>'
-- for another question, or anything else for a message that has led to nothing.
local function change_dialogue(line, taken, change, accepted_ms, now)
  if not line or line == '' or change == 'close' then return end
  local lasts_ms, elsewhere, json = string.match(change or '', '^(%d+) (%x*) (.*)$')
  if json then
    keep_dialogue(DIALOGUE .. (elsewhere ~= '' and elsewhere or line), now + lasts_ms, accepted_ms, json, now)
  elseif taken and told_of(taken, accepted_ms) ~= 'late' then
    local until_ms, asked_ms, before = parse_dialogue(taken)
    if until_ms then keep_dialogue(DIALOGUE .. line, until_ms, asked_ms, before, now, 'NX') end
  end
end
