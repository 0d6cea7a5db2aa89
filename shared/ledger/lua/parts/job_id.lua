-- The id of a message's job. `shared/queue.py` makes the same.
local function job_id_of(id, sequence)
  return id .. '-' .. sequence
end
