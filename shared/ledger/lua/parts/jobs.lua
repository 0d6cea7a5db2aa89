-- Needs: job_end, job_id

-- Reads a list that comes after its length in ARGV. Returns it, and where the next argument is.
local function counted(at)
  local after = at + 1 + ARGV[at]
  return {unpack(ARGV, at + 1, after - 1)}, after
end

-- The number in a job's id: '0' for a job that is none of ours.
local function number_of_job(job_id)
  return string.match(job_id, '%-(%d+)$') or '0'
end

-- Numbers jobs: returns the number before the first of so many new ones. A number only grows, so the head of the
-- queue tells which jobs have been taken off it. Fails before anything is written where a key is of another type.
local function number_jobs(count)
  redis.call('LLEN', QUEUE)
  redis.call('ZCARD', QUEUED)
  redis.call('SADD', QUEUES, QUEUE)
  return redis.call('HINCRBY', COUNT, 'enqueued', count) - count
end

-- Writes RQ's record of a message's job, and returns the job's id. A foreign value in its place stops no other
-- message: RQ skips the job then, and the next sweep makes another.
local function record_job(id, sequence, job_fields, data, created_at)
  local job_id = job_id_of(id, sequence)
  redis.pcall('HSET', JOB .. job_id, 'data', data, 'created_at', created_at,
              'enqueued_at', created_at, unpack(job_fields))
  return job_id
end

-- Puts jobs on RQ's queue: their ids in order, and the number of each with its message's id.
local function push(job_ids, numbered)
  redis.call('RPUSH', QUEUE, unpack(job_ids))
  redis.call('ZADD', QUEUED, unpack(numbered))
end

-- Puts a job for a message that has a record on RQ's queue, in place of the one that it had.
local function enqueue(id, job_fields, data, created_at)
  replace_job(id, redis.call('HGET', MESSAGE .. id, 'job') or '')
  local sequence = number_jobs(1) + 1
  push({record_job(id, sequence, job_fields, data, created_at)}, {sequence, id})
  redis.call('HSET', MESSAGE .. id, 'job', sequence)
end
