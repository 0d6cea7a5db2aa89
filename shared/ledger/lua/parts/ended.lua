-- The key of what is left of a message that ended well. `LedgerKeys.ended` makes the same.
local ENDED_DIGITS = 24
local function ended_key(id)
  return ENDED .. string.sub(id, 1, ENDED_DIGITS)
end
