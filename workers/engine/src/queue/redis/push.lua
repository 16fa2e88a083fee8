-- Lets jobs wait, each at once or after a delay, unless an entry with its key already does (law 6).
--
-- ARGV[2]: the jobs' delays, packed as `DELAY`; empty where none has one. From ARGV[3] on what `reported` reads: each lane once, and for each job its
-- packed envelope (a stored one without the time of its push).
-- Returns the incarnation of the shard, and per job a digit: 0 waits, 1 an equal entry waits already, 2 runs once more after the
-- run that is going on.
-- Invariant: a key has at most one true entry among waiting and scheduled ones, and at most one extra run while running.
local DELAY, DELAY_SIZE = '>d', 8

local function push(m, entry, delay, slot, stored)
  local class = class_in(stored)
  if not entry then
    if delay > 0 then schedule(m, slot, stored, now + delay) else enqueue(m, class, slot, stored, false) end
    return '0'
  end
  local kind = byte(entry)
  if kind == RUNS then
    set_entry(slot, 'x' .. sub(entry, 2))
    set_extra(slot, stored)
    return '2'
  elseif kind == RUNS_AGAIN then
    if class < class_in(extra_of(slot)) then set_extra(slot, stored) end
  elseif kind == SCHEDULED then
    -- The earlier time and the more urgent class win; the entry it replaces no longer matches and is dropped when its time comes.
    local planned_class, planned = tonumber(sub(entry, 2, 2)), tonumber(sub(entry, 3))
    if planned_class < class then stored = with_class(stored, planned_class) end
    if delay <= 0 then enqueue(m, math.min(class, planned_class), slot, stored, false)
    elseif class < planned_class or now + delay < planned then schedule(m, slot, stored, math.min(now + delay, planned)) end
  elseif class < tonumber(entry) then
    -- Also where it was put off: a less urgent one may wait for much longer.
    enqueue(m, class, slot, stored, false)
    m.stale = true
  end
  return '1'
end

-- By a lane's flags and then a class: whether nothing has to be reported to the lane when it gets another job of the class, since it is on its ring
-- already and known to have such jobs.
local SERVED = {}
for flags = 0, 255 do
  local awake, hot, others = flags % 8 < 4, flags % 2 == 1, flags % 4 >= 2
  SERVED[flags] = {[0] = awake and hot and flags % 16 >= 8, awake and others and flags % 32 >= 16, awake and others and flags % 64 >= 32}
end
local NOT_SERVED = {}

local function served_by(raw)
  if not raw then return NOT_SERVED end
  local flags, state = byte(raw, 1, 2)
  return state == NORMAL and SERVED[flags] or NOT_SERVED
end

function functions.push(argv)
  local counts, names, slots, packed = reported(argv, 3)
  local delays, metas, found = argv[2], fetch(LANES, argv, names + 1, slots), fetch(INDEX, argv, slots + 1, packed)
  local answers, stamp, job = {}, pack('>I5', now % STAMPS), 0
  for lane = 1, #counts do
    local name, count, m = argv[names + lane], byte(counts, lane), nil
    local served = delays == '' and served_by(metas[lane]) or NOT_SERVED
    for _ = 1, count do
      job = job + 1
      local slot, stored = argv[slots + job], stamp .. argv[packed + job]
      local class, entry = class_in(stored), found[job]
      if count > 1 and entries[slot] then entry = entries[slot] end
      if served[class] and not entry and not m then
        append(QUEUE[class] .. name, stored)
        if count > 1 then entries[slot] = CLASS[class] end
        put_entry(slot, CLASS[class])
        runnable = true
        answers[job] = '0'
      else
        m = m or open(name, metas[lane])
        answers[job] = push(m, entry, delays == '' and 0 or unpack_(DELAY, delays, (job - 1) * DELAY_SIZE + 1), slot, stored)
      end
    end
  end
  -- An idle worker sleeps until what was due first when it last looked: it has to hear of what is due sooner.
  if soonest and not runnable then
    local first = tonumber(call('ZRANGE', TIMER, '0', '0', 'WITHSCORES')[2])
    runnable = not first or first > soonest
  end
  commit()
  return {text(born), table.concat(answers)}
end
