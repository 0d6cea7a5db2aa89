-- Whether the caller still holds the message: its token, and one of the states named.
local function holds(id, token, ...)
  local held = fields_of(id, 'state', 'token')
  if not held or held[2] ~= token then return false end
  for _, state in ipairs({...}) do
    if held[1] == state then return true end
  end
  return false
end
