-- What becomes of a lane: its tokens, its day, the rings it is on, what stops it, and the jobs that wait in it.

-- The limits of a lane: those that are set, or what its server has reported where that is less.
local function burst_of(m) return m.burst > 0 and math.min(BURST, m.burst) or BURST end
local function daily_of(m) return m.daily > 0 and math.min(DAILY, m.daily) or DAILY end
-- What bulk leaves of them to others.
local function reserve_of(m) return math.min(RESERVE, burst_of(m) - 1) end
local function daily_reserve_of(m)
  local daily = daily_of(m)
  return daily == DAILY and DAILY_RESERVE or math.floor(daily / 5)
end

-- The most that a job of a class may cost: more would never be free.
local function most_cost(m, class)
  local kept, kept_today = 0, 0
  if class == 2 then kept, kept_today = reserve_of(m), daily_reserve_of(m) end
  return math.max(1, math.min(burst_of(m) - kept, daily_of(m) - kept_today))
end

-- Puts `n` tokens aside until `at`. Bins are first in, first out, so one never returns before its predecessor.
local function cool(m, n, at)
  if n <= 0 then return end
  at = math.ceil(at / BIN) * BIN
  m.cooling = m.cooling + n
  if m.first_n == 0 then m.first, m.first_n = at, n
  elseif m.last_n == 0 then
    if at <= m.first then m.first_n = m.first_n + n else m.last, m.last_n = at, n end
  elseif at <= m.last then m.last_n = m.last_n + n
  else
    append(P .. 'c:' .. m.name, pack('>I6I4', m.last, m.last_n))
    m.last, m.last_n = at, n
  end
end

-- The bins between the first and the last that one call reads at once (law 10).
local BINS = 100

-- Takes the next of them; nil where there is none.
local function next_bin(m)
  if not m.bins or m.bin_at > #m.bins then
    local list = P .. 'c:' .. m.name
    if m.bins then drop(list, #m.bins) end
    m.bins, m.bin_at = peek(list, BINS), 1
  end
  local bin = m.bins[m.bin_at]
  if bin then m.bin_at = m.bin_at + 1 end
  return bin
end

-- Takes back the tokens whose bins are over.
local function thaw(m)
  while m.first_n > 0 and m.first <= now do
    m.cooling = m.cooling - m.first_n
    m.returned = m.returned + m.first_n
    local bin = m.last_n > 0 and next_bin(m)
    if bin then m.first, m.first_n = unpack_('>I6I4', bin)
    else
      m.first, m.first_n = m.last, m.last_n
      m.last_n = 0
    end
  end
end

-- Closes the day's bin when its time is over, and forgets what is 24 h old.
local function turn_day(m)
  if m.day_bin == today then return end
  local key, bins = P .. 'y:' .. m.name, nil
  if m.bin_used > 0 then
    append(key, pack('>I4I4', m.day_bin, m.bin_used))
    m.day_used = m.day_used + m.bin_used
  end
  m.day_bin, m.bin_used = today, 0
  if m.others > 0 and math.floor(m.others_at / DAY_BIN) + DAY_BINS <= today then m.others = 0 end
  if m.day_used == 0 then return end
  local gone = 0
  bins = peek(key, DAY_BINS + 1)
  for i = 1, #bins do
    local then_, used = unpack_('>I4I4', bins[i])
    if then_ + DAY_BINS > today then break end
    m.day_used, gone = m.day_used - used, i
  end
  drop(key, gone)
end

local function day_left(m) return daily_of(m) - m.day_used - m.bin_used - m.others - m.out end

-- What bulk may have of the day for now, by `Limit::left_to_bulk`.
local function day_left_to_bulk(m)
  local all, spent = daily_of(m) - daily_reserve_of(m), m.bin_used + m.out
  local surplus = all - m.day_used - m.others
  return math.max(0, surplus - math.floor(all / 2), math.floor(surplus / PACE_BINS)) - spent
end

-- Takes in what the server said at a time: its limits, and how many calls its day leaves. It counts every client, and its day turns when it wants
-- to, so its last word counts, and an older one no more.
local function hear(m, at, remaining_today, burst, daily)
  if (burst > 0 or daily > 0) and at >= m.limits_at then
    m.limits_at = at
    if burst > 0 then m.burst = burst end
    if daily > 0 then m.daily = daily end
  end
  if remaining_today == 4294967295 or at < m.others_at then return end
  m.others = math.max(0, daily_of(m) - remaining_today - m.day_used - m.bin_used)
  m.others_at = at
end

local function free(m) return burst_of(m) - m.out - m.cooling end

local function ring(m, hot)
  local bit = hot and 1 or 2
  runnable = true
  if m.rings == 3 or m.rings == bit then return end
  m.rings = m.rings + bit
  append(RING[hot and 0 or 1], m.name)
end

-- Puts a lane that can run where a claim will find it; or, where only time stops it, lets it be looked at then. Each cause stands for itself:
-- none ends another.
local function activate(m)
  if not (m[0] or m[1] or m[2]) or m.paused or m.state ~= NORMAL or m.circuit == PROBING then return end
  local opens = m.circuit == OPEN and math.max(m.hold, m.probe_at) or m.hold
  if opens > now then return remind(opens, 'L' .. m.name) end
  if m[0] then ring(m, true) end
  if m[1] or m[2] then ring(m, false) end
end

local function unpark(m)
  m.state = NORMAL
  activate(m)
end

-- Parks a lane that can't pay for its next job until tokens return. With all of them out nobody knows when that is:
-- the lane is starved, and the next settlement parks it anew.
local function park_for_tokens(m)
  if m.first_n > 0 then
    m.state = TOKENS
    remind(m.first, 'L' .. m.name)
  else
    m.state = STARVED
  end
end

-- Parks a lane that may send no more today until the first of what counts today counts no longer.
local function park_for_day(m)
  local bin = m.day_bin
  if m.day_used > 0 then
    local oldest = peek(P .. 'y:' .. m.name, 1)[1]
    if oldest then bin = math.min(bin, (unpack_('>I4', oldest))) end
  end
  if m.others > 0 then bin = math.min(bin, math.floor(m.others_at / DAY_BIN)) end
  m.state, m.parked = DAY_SPENT, (bin + DAY_BINS) * DAY_BIN
  remind(m.parked, 'L' .. m.name)
end

-- Parks a lane that has nothing but bulk, and has given it what the day leaves to it for now.
local function park_for_pace(m)
  m.state, m.parked = PACED, (today + 1) * DAY_BIN
  remind(m.parked, 'L' .. m.name)
end

-- After tokens came back or a more urgent job came: lets the lane try again.
local function reconsider(m)
  local state = m.state
  if state == DAY_SPENT or state == PACED then
    if day_left(m) > 0 then m.state = NORMAL end
  elseif state ~= NORMAL then
    if free(m) > 0 then m.state = NORMAL
    elseif state == STARVED then park_for_tokens(m) end
  end
  activate(m)
end

-- Opens the lane's circuit until a time, or for longer where it is open already. A probe that is under way is waited for.
local function break_off(m, at)
  m.failures = 0
  if m.circuit == CLOSED then m.circuit, m.probe_at = OPEN, at
  else m.probe_at = math.max(m.probe_at, at) end
end

-- The probe has ended without a word on how things are: another one may probe from a time on.
local function probe_again(m, at)
  m.circuit, m.probe_at = OPEN, math.max(m.probe_at, at)
end

local function key_in(stored) return sub(stored, KEY_AT, KEY_AT + byte(stored, KEY_AT - 1) - 1) end
local function class_in(stored) return byte(stored, CLASS_AT) % CRASH end

-- The key of an envelope of that class; nil where it is none.
local function key_of(stored, class)
  local class_and_crashes, _, _, length = byte(stored, CLASS_AT, KEY_AT - 1)
  if not length or class_and_crashes % CRASH ~= class or #stored < KEY_AT + length - 1 then return nil end
  local key = sub(stored, KEY_AT, KEY_AT + length - 1)
  return find(key, '/', 1, true) and key or nil
end

-- Lets a lane run that has a new job of a class.
local function arrived(m, class)
  m[class] = true
  if class < 2 then reconsider(m) else activate(m) end
end

-- Lets a stored envelope wait: at the tail of its class, or at the head where it only lost its turn.
local function enqueue(m, class, slot, stored, at_head)
  local list = QUEUE[class] .. m.name
  if at_head then put_in_front(list, stored) else append(list, stored) end
  set_entry(slot, CLASS[class])
  arrived(m, class)
end

-- The envelope with so much added to the byte at `at`.
local function with(stored, at, more) return sub(stored, 1, at - 1) .. string.char(byte(stored, at) + more) .. sub(stored, at + 1) end
local function with_class(stored, class) return with(stored, CLASS_AT, class - class_in(stored)) end

local function scheduled_entry(class, due) return 's' .. CLASS[class] .. text(due) end

local function schedule(m, slot, stored, due)
  due = math.floor(due)
  remind(due, pack('>BBc0', 74, #m.name, m.name) .. stored)
  set_entry(slot, scheduled_entry(class_in(stored), due))
end
