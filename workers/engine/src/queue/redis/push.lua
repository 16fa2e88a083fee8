-- Lets jobs wait, each at once or after a delay, unless an entry with its key already does (law 6).
--
-- ARGV[2..]: for each job its delay in ms, then its packed envelope (a stored one without the time of its push).
-- Returns the incarnation of the shard, then per job: 0 waits, 1 an equal entry waits already, 2 runs once more after the
-- run that is going on.
-- Invariant: a key has at most one true entry among waiting and scheduled ones, and at most one extra run while running.
local jobs, names, fields, keys_by_lane = {}, {}, {}, {}
local stamp = pack('>d', now)
for i = 2, #ARGV, 2 do
  local stored = stamp .. ARGV[i + 1]
  local class, _, _, _, lane, key = head_of(stored)
  jobs[#jobs + 1] = {delay = tonumber(ARGV[i]), stored = stored, class = class, lane = lane, key = key}
  names[#names + 1] = lane
  fields[#fields + 1] = 'R' .. lane .. '\0' .. key
  later(keys_by_lane, lane, key)
end
preload(names)
local running = fetch(H, fields)
for lane, keys in pairs(keys_by_lane) do
  local entries = fetch(P .. 'd:' .. lane, keys)
  for i = 1, #keys do lanes[lane].entries[keys[i]] = entries[i] end
end

local function push(job, is_running)
  local m, slot = lanes[job.lane], job.lane .. '\0' .. job.key
  if is_running then
    local extra = call('HGET', H, 'X' .. slot)
    if not extra or job.class < head_of(extra) then call('HSET', H, 'X' .. slot, job.stored) end
    return extra and 1 or 2
  end
  local entry = entry_of(m, job.key)
  if not entry then
    if job.delay > 0 then schedule(m, job.key, job.stored, now + job.delay)
    else enqueue(m, job.class, job.key, job.stored, false) end
    return 0
  end
  if sub(entry, 1, 1) == 's' then
    -- The earlier time wins; the entry it replaces no longer matches and is dropped when its time comes.
    if job.delay <= 0 then enqueue(m, job.class, job.key, job.stored, false)
    elseif now + job.delay < tonumber(sub(entry, 2)) then schedule(m, job.key, job.stored, now + job.delay) end
  elseif job.delay <= 0 and job.class < tonumber(entry) then
    enqueue(m, job.class, job.key, job.stored, false)
  end
  return 1
end

local answers = {call('HGET', H, 'born')}
for i = 1, #jobs do answers[i + 1] = push(jobs[i], running[i]) end
save()
wake()
return answers
