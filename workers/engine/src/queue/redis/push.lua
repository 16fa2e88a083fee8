-- Lets jobs wait, each at once or after a delay, unless an entry with its key already does (law 6).
--
-- ARGV[2..]: for each job its delay in ms, then its packed envelope (a stored one without the time of its push).
-- Returns the incarnation of the shard, then per job: 0 waits, 1 an equal entry waits already, 2 runs once more after the
-- run that is going on.
-- Invariant: a key has at most one true entry among waiting and scheduled ones, and at most one extra run while running.
local answers = {call('HGET', H, 'born')}
for i = 2, #ARGV, 2 do
  local delay, stored = tonumber(ARGV[i]), pack('>d', now) .. ARGV[i + 1]
  local class, cost, crashes, attempt, lane, key = head_of(stored)
  local m = lane_of(lane)
  local slot = lane .. '\0' .. key
  local answer = 1
  if call('HEXISTS', H, 'R' .. slot) == 1 then
    local extra = call('HGET', H, 'X' .. slot)
    if not extra then answer = 2 end
    if not extra or class < head_of(extra) then call('HSET', H, 'X' .. slot, stored) end
  else
    local entry = call('HGET', P .. 'd:' .. lane, key)
    if not entry then
      answer = 0
      if delay > 0 then schedule(m, key, stored, now + delay) else enqueue(m, class, key, stored, false) end
    elseif sub(entry, 1, 1) == 's' then
      -- The earlier time wins; the entry it replaces no longer matches and is dropped when its time comes.
      if delay <= 0 then enqueue(m, class, key, stored, false)
      elseif now + delay < tonumber(sub(entry, 2)) then schedule(m, key, stored, now + delay) end
    elseif delay <= 0 and class < tonumber(entry) then
      enqueue(m, class, key, stored, false)
    end
  end
  answers[#answers + 1] = answer
end
save()
wake()
return answers
