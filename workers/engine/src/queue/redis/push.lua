-- Lets jobs wait, each at once or after a delay, unless an entry with its key already does (law 6).
--
-- ARGV[2..]: lane by lane its name, the count of its jobs, then for each job its delay in ms, slot, and packed envelope (a stored one
-- without the time of its push).
-- Returns the incarnation of the shard, and per job a digit: 0 waits, 1 an equal entry waits already, 2 runs once more after the
-- run that is going on.
-- Invariant: a key has at most one true entry among waiting and scheduled ones, and at most one extra run while running.
local function push(m, delay, slot, stored)
  local class = byte(stored, CLASS_AT)
  local entry = entry_of(slot)
  if not entry then
    if delay > 0 then schedule(m, slot, stored, now + delay) else enqueue(m, class, slot, stored, false) end
    return '0'
  end
  local kind = byte(entry)
  if kind == RUNS then
    set_entry(slot, 'x' .. sub(entry, 2))
    call('HSET', H, 'X' .. slot, stored)
    return '2'
  elseif kind == RUNS_AGAIN then
    if class < byte(call('HGET', H, 'X' .. slot), CLASS_AT) then call('HSET', H, 'X' .. slot, stored) end
  elseif kind == SCHEDULED then
    -- The earlier time and the more urgent class win; the entry it replaces no longer matches and is dropped when its time comes.
    local planned_class, planned = tonumber(sub(entry, 2, 2)), tonumber(sub(entry, 3))
    if planned_class < class then stored = with(stored, CLASS_AT, planned_class) end
    if delay <= 0 then enqueue(m, math.min(class, planned_class), slot, stored, false)
    elseif class < planned_class or now + delay < planned then schedule(m, slot, stored, math.min(now + delay, planned)) end
  elseif delay <= 0 and class < tonumber(entry) then
    enqueue(m, class, slot, stored, false)
    m.stale = true
  end
  return '1'
end

-- Whether nothing has to be told to a lane that gets another job of a class: it is on its ring already, and known to have such jobs.
local function is_served(raw, class)
  if not raw then return false end
  local state, flags = byte(raw, 1, 2)
  if state ~= NORMAL or flags % 8 >= 4 then return false end
  if class == 0 then return flags % 2 == 1 and flags % 16 >= 8 end
  return flags % 4 >= 2 and (class == 1 and flags % 32 >= 16 or class == 2 and flags % 64 >= 32)
end

function functions.push(argv)
  local names, slots = {}, {}
  local at = 2
  while at <= #argv do
    names[#names + 1] = argv[at]
    local next_lane = at + 2 + 3 * argv[at + 1]
    for i = at + 3, next_lane - 1, 3 do slots[#slots + 1] = argv[i] end
    at = next_lane
  end
  preload(names)
  read_entries(slots)

  local answers = {}
  local stamp = pack('>d', now)
  at = 2
  while at <= #argv do
    local name, next_lane = argv[at], at + 2 + 3 * argv[at + 1]
    for i = at + 2, next_lane - 1, 3 do
      local delay, slot, stored = argv[i], argv[i + 1], stamp .. argv[i + 2]
      local class = byte(stored, CLASS_AT)
      if delay == '0' and not entries[slot] and not lanes[name] and is_served(raws[name], class) then
        append(QUEUE[class] .. name, stored)
        set_entry(slot, CLASS[class])
        runnable = true
        answers[#answers + 1] = '0'
      else
        answers[#answers + 1] = push(lane_of(name), tonumber(delay), slot, stored)
      end
    end
    at = next_lane
  end
  save()
  -- An idle worker sleeps until what was due first when it last looked: it has to hear of what is due sooner.
  if soonest and tonumber(call('ZRANGE', TIMER, 0, 0, 'WITHSCORES')[2]) >= soonest then runnable = true end
  wake()
  return {born, table.concat(answers)}
end
