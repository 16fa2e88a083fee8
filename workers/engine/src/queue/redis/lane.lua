-- What becomes of a lane: its tokens, its day, the rings it is on, what parks it, and the jobs that wait in it.

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
    call('RPUSH', P .. 'c:' .. m.name, pack('>I6H', m.last, m.last_n))
    m.last, m.last_n = at, n
  end
end

-- Takes back the tokens whose bins are over.
local function thaw(m)
  while m.first_n > 0 and m.first <= now do
    m.cooling = m.cooling - m.first_n
    m.returned = m.returned + m.first_n
    local bin = call('LPOP', P .. 'c:' .. m.name)
    if bin then m.first, m.first_n = unpack_('>I6H', bin)
    else
      m.first, m.first_n = m.last, m.last_n
      m.last_n = 0
    end
  end
end

-- Closes the day's bin when its time is over, and forgets those that are 24 h old.
local function turn_day(m)
  if m.day_bin == today then return end
  local list = P .. 'y:' .. m.name
  if m.bin_used > 0 then
    call('RPUSH', list, pack('>I4I4', m.day_bin, m.bin_used))
    m.day_used = m.day_used + m.bin_used
  end
  m.day_bin, m.bin_used = today, 0
  local oldest = call('LINDEX', list, '0')
  while oldest do
    local then_, used = unpack_('>I4I4', oldest)
    if then_ + DAY_BINS > today then return end
    m.day_used = m.day_used - used
    call('LPOP', list)
    oldest = call('LINDEX', list, '0')
  end
end

local function day_left(m) return DAILY - m.day_used - m.bin_used - m.out end

-- What bulk may have of the day for now, by `Limit::left_to_bulk`.
local function day_left_to_bulk(m)
  local all, spent = DAILY - DAILY_RESERVE, m.bin_used + m.out
  local surplus = all - m.day_used
  return math.max(surplus - math.floor(all / 2), math.floor(surplus / PACE_BINS)) - spent
end

-- Counts calls that were sent. The server, which counts every client, may know of more (law 3).
local function spend_day(m, used, remaining)
  turn_day(m)
  m.bin_used = m.bin_used + used
  if remaining ~= 4294967295 then
    m.bin_used = m.bin_used + math.max(0, (DAILY - remaining) - (m.day_used + m.bin_used))
  end
end

local function free(m) return BURST - m.out - m.cooling end

local function ring(m, hot)
  local bit = hot and 1 or 2
  runnable = true
  if m.rings == 3 or m.rings == bit then return end
  m.rings = m.rings + bit
  local number = hot and 0 or 1
  is_empty[number] = false
  append(RING[number], m.name)
end

-- Puts a lane that is not parked where a claim will find it.
local function activate(m)
  if m.paused or (m.state ~= NORMAL and m.state ~= PROBE) then return end
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

-- Parks a lane that may send no more today until the oldest of its calls no longer count.
local function park_for_day(m)
  local oldest = call('LINDEX', P .. 'y:' .. m.name, '0')
  local bin = oldest and unpack_('>I4', oldest) or m.day_bin
  m.state, m.hold = DAY_SPENT, (bin + DAY_BINS) * DAY_BIN
  remind(m.hold, 'L' .. m.name)
end

-- Parks a lane that has nothing but bulk, and has given it what the day leaves to it for now.
local function park_for_pace(m)
  m.state, m.hold = PACED, (today + 1) * DAY_BIN
  remind(m.hold, 'L' .. m.name)
end

-- After tokens came back or a more urgent job came: lets the lane try again.
local function reconsider(m)
  if (m.state == DAY_SPENT or m.state == PACED) and day_left(m) > 0 then
    m.hold = 0
    unpark(m)
  elseif m.state == TOKENS or m.state == STARVED then
    if free(m) > 0 then unpark(m)
    elseif m.state == STARVED then park_for_tokens(m) end
  end
end

local function key_in(stored) return sub(stored, KEY_AT, KEY_AT + byte(stored, KEY_AT - 1) - 1) end
local function class_in(stored) return byte(stored, CLASS_AT) % CRASH end

-- Lets a lane run that has a new job of a class.
local function arrived(m, class)
  m[class] = true
  if class < 2 then reconsider(m) end
  activate(m)
end

-- Lets a stored envelope wait: at the tail of its class, or at the head where it only lost its turn.
local function enqueue(m, class, slot, stored, at_head)
  local list = QUEUE[class] .. m.name
  if at_head then call('LPUSH', list, stored) else append(list, stored) end
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
