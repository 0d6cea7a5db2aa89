-- The fields of a card's record, in the order in which `CardRecord` (`shared/ledger/cards.py`) reads them.
local function card_fields(key)
  return redis.call('HMGET', key, 'robot', 'content', 'state', 'expires_ms', 'changeable', 'by', 'choice', 'press',
    'decided_ms', 'name', 'result', 'ended', 'version')
end
