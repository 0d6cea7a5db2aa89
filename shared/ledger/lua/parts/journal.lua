-- Notes in JOURNAL that a message ends, and how it went; the entry's id in the stream is the time. `JournalEntry` of
-- `shared/ledger/journal.py` says what the fields are, and reads them. About so many entries are kept; 0: none are made.
-- A foreign value in the place of the stream stops no message.
local function add_to_journal(most, id, state, reason, detail, accepted_ms, leased_ms, sending_ms, leases, attempts,
                              worker, facts)
  if tonumber(most) < 1 then return end
  redis.pcall('XADD', JOURNAL, 'MAXLEN', '~', most, '*', 'id', id, 'state', state, 'reason', reason, 'detail', detail,
              'accepted_ms', accepted_ms or '', 'leased_ms', leased_ms or '', 'sending_ms', sending_ms or '',
              'leases', leases or '', 'attempts', attempts, 'worker', worker, 'facts', facts)
end

-- How many attempts to deliver were made: those that failed, and the one that the end comes out of.
local function attempts_until(state, failed)
  return (number(failed) or 0) + (state == 'sending' and 1 or 0)
end
