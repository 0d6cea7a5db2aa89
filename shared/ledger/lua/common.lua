-- The beginning of every script of the ledger: what all of them share, and what is stored where. A script that needs
-- more names files of `parts/` in a line '-- Needs:'; `shared/runtime/lua_source.py` puts all this before it.
--
-- The keys of the ledger. Their names are made in `shared/ledger/keys.py`, and nowhere else.
-- KEYS, the same in every script:
--   1 QUEUES (set): the names of RQ's queues, which RQ keeps
--   2 QUEUE (list): RQ's queue, the ids of jobs in the order in which they are taken
--   3 QUEUED (sorted set): the ids of messages that are on RQ's queue, by the number of their job
--   4 DUE (sorted set): the ids of messages, by the time (ms since 1970) when a sweeper must look at them: a
--     lease or a claim runs out, a rest ends, or a job was taken from the queue and is not leased yet
--   5 DEAD (sorted set): the ids of dead letters, by the time of death (ms since 1970)
--   6 COUNT (hash): totals since the beginning, each a field. None but the last is ever lowered:
--     accepted, answered, unmatched, refused      messages accepted, and ended in each way
--     dead:failed, dead:expired, dead:unknown     messages ended as dead letters, by reason; the version before this
--                                                 one subtracted those that were retried
--     revived                                     dead letters that an operator had accepted once more
--     ignored:<reason>                            callbacks that there was nothing to answer to
--     unreplicated                                steps that too few replicas had in time (`shared/ledger/replicas.py`)
--     missed_ticks                                ticks of schedules that came too late to be run
--     enqueued                                    the number of the last job
--     last_chance_ms                              when the next message that killed workers may be tried again
--   7 RESTING (set): the ids of accepted messages that are off the queue, waiting for a retry or their turn
--   8 HISTOGRAMS (hash): how long ended messages took, see `parts/histograms.lua`
--   9 JOURNAL (stream): the messages that ended last, see `parts/journal.lua`
--  10 FAILED (sorted set): RQ's registry of failed jobs
--  11 INTERMEDIATE (list): RQ's list of the jobs that are taken off the queue and not started yet
-- ARGV, the same in every script, begin with prefixes of keys, since a script learns ids on its way:
--   1 MESSAGE .. id (hash): one message, see below; expires some minutes after its end, as a dead letter after a week
--   2 JOB .. id (hash): RQ's record of a job
--   3 DEAD_LETTER_PAYLOAD .. id (string): the callback's body of a dead letter; expires with the session
--   4 LINE .. ordering key (sorted set): a sender's queue, the ids of its open messages, by the number of their first job;
--     expires in two days
--   5 ENDED .. the first ENDED_DIGITS of an id (string): that a message ended well, and how, as a number of
--     `OUTCOME_NUMBERS` (`shared/ledger/states.py`); it outlives the record, and expires after three hours
--   6 DIALOGUE .. ordering key (string): what a sender was asked and may answer, see `parts/dialogue.lua`; expires
-- A schedule's own keys are arguments of `tick.lua`:
--   ticks (sorted set): its memory: the ids of the ticks that were accepted last, by their time (ms since 1970), and two
--     marks: `since` is from when its ticks count, `missed` the last one that came too late. Gone 30 days after the
--     last worker that has the schedule
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
--   facts           what its worker noted of it, as the JSON of `MessageFacts` (`shared/ledger/facts.py`)
-- and until it ends:
--   payload         the callback's body
--   expires_ms      when its session closes; later where it has been given time to be answered by a push
--   late            how much time that is, in ms
--   line            the ordering key of its sender's queue, or ''; it is in that queue, or has left it
--   dialogue        the dialogue that it continues, taken from that key
--   dialogue_after  what its reply does to the dialogue: see `parts/dialogue.lua`
--   turn            waiting while it is parked, come once its turn has come
--   token           of the lease that holds it
--   claim           the claim to send its reply, by its own word
--   not_before_ms   when it may be leased again, after a pause
--   attempts        how many attempts to deliver its reply, or this part of it, have failed
--   failures        the same by kind of failure, as JSON
--   trouble         the last failure, which a dead letter names
--   prepared        the reply, or the parts that are left of it, as JSON
--   card            1 while the reply is to be shown by a card that grows (`note_stream.lua`)
--
-- Cards whose buttons act (`shared/ledger/cards.py`) have keys of their own, which their scripts are given by name:
--   CARDS (sorted set): the outTrackIds of cards that are to be changed, by the time (ms since 1970) when
--   CARD .. outTrackId (hash): one card; it is kept for a week after its expiry
--     state           open; then decided or expired
--     robot           the code of the robot that shows it
--     content         what it shows and offers, and who may press, as the JSON of `CardContent`
--     expires_ms      when nobody may press any longer
--     changeable      1, or 0 of a message with buttons, which DingTalk can't change
--     press, by, name, choice, decided_ms   the press that decided, who made it, the number of the button, and when
--     result, ended   what came of it, as the card shows it; ended is set once the skill is done
--     version         counts the changes; tries: how often the latest was tried to be shown
--     turned_away, told:<userid>      how many people were told that they may not press, and each of them
--
-- Beside the messages, each under a key that Python passes:
--   the record of a card that an answer grows on (hash), which outlives the message, so that the card is ended whatever
--   becomes of that; it expires after a day:
--     state       opening: it may exist; open: it does; ending: its last text is being written; ended; replaced: that
--                 could not be written, and the answer went another way; absent: it could not be created; closing: a
--                 worker ends it for a message that ended without it
--     text        what it shows, until it ends; '' where that must not be kept
--     robot       the code of its robot
--     notes       how often it was written
--     closing_ms, was, claims   of one that is closing: until when, the state before, and how often it was tried
--   the cards that have no end yet (sorted set): the ids of their messages, by the time when somebody must look
--
-- A server that is full refuses a script whose first write may take memory, and lets one go on that
-- has begun. So every step but the first begins with a write that takes none: what is under way when
-- the memory runs out still comes to its end.
--
-- A cluster would want every key in KEYS. RQ itself needs a single primary, so nothing is lost by prefixes.

local QUEUES, QUEUE, QUEUED, DUE, DEAD, COUNT, RESTING, HISTOGRAMS, JOURNAL, FAILED, INTERMEDIATE = unpack(KEYS)
local MESSAGE, JOB, DEAD_LETTER_PAYLOAD, LINE, ENDED, DIALOGUE = unpack(ARGV, 1, 6)
local OWN = 7

-- Redis's clock decides, so workers whose clocks differ agree on leases and deadlines.
local function now_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
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
