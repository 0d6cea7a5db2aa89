-- Whether a message, neither ended nor gone, lacks what it takes to come to its end.
local SPOILT = 'its record is spoilt'
local function is_spoilt(state, has_payload, expires_ms)
  if state == 'accepted' or state == 'leased' then return not (has_payload and number(expires_ms)) end
  local others = {sending = true, answered = true, unmatched = true, refused = true, dead = true}
  return not others[state] and (has_payload or state ~= false)
end
