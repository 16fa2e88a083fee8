-- What a claim takes: the lane first, then the job (law 4).
--
-- Invariant: tokens taken never exceed the burst within one interval of the last response (law 2).
local LIMIT_LANES, LIMIT_REPLACED = 200, 100

-- The epoch of this claim, what is returned of the claimed jobs, and their count.
local epoch, reply, claimed
-- Count of entries passed over, since a more urgent one of their key ran in their place or their kind is paused.
local replaced
-- The kinds that are paused; nil where there are none.
local paused_kinds

local ASIDE = '>Bc0'

local function kind_in(slot)
  local at = find(slot, '\0', 1, true)
  return sub(slot, at + 1, find(slot, '/', at, true) - 1)
end

-- Lines up again, at the tails of their lanes, as many jobs of a resumed kind as one step may. Whether there may be more.
local function line_up(kind)
  local aside = call('LPOP', P .. 'k:' .. kind, text(LIMIT_DUE)) or {}
  for i = 1, #aside do
    local name, next_ = unpack_(ASIDE, aside[i])
    local stored = sub(aside[i], next_)
    local class, slot = class_in(stored), name .. '\0' .. key_in(stored)
    if entry_of(slot) == CLASS[class] then
      local m = lane_of(name)
      -- An equal one may be listed: this one put aside, replaced by it, and that one run and pushed again.
      m.stale = true
      enqueue(m, class, slot, stored, false)
    end
  end
  return #aside == LIMIT_DUE
end

-- Whether resumed kinds have jobs left to line up.
local function look_at_kinds()
  local left, more = '', false
  for mark, kind in string.gmatch(kinds, '(%a)([^/]+)/') do
    if mark == 'p' then
      paused_kinds = paused_kinds or {}
      paused_kinds[kind] = true
      left = left .. 'p' .. kind .. '/'
    elseif line_up(kind) then
      left, more = left .. 'r' .. kind .. '/', true
    end
  end
  if left ~= kinds then call('HSET', H, 'kinds', left) end
  return more
end

-- Puts envelopes from the one at `first` on back where they came from.
local function put_back(m, class, listed, first)
  for i = #listed, first, -1 do call('LPUSH', QUEUE[class] .. m.name, listed[i]) end
  m[class] = true
end

-- What parks a lane that can't pay for a job of a class now; nil where it can.
local function too_dear(m, class, cost)
  if class < 2 then
    if cost > day_left(m) then return park_for_day end
    if cost > free(m) then return park_for_tokens end
    return nil
  end
  if cost > day_left(m) - DAILY_RESERVE then return park_for_day end
  -- One job a bin is always let through, however small the share.
  if cost > day_left_to_bulk(m) and m.bin_used + m.out > 0 then return park_for_pace end
  if cost > free(m) - RESERVE then return park_for_tokens end
  return nil
end

-- Claims at most `most` of a lane's listed envelopes of a class, and parks the lane where the next one is too dear. How many it took off
-- the list, and how many of these it claimed.
local function serve_class(m, class, most)
  local listed = call('LPOP', QUEUE[class] .. m.name, text(most)) or {}
  if #listed < most then m[class] = false end
  local prefix, slots = m.name .. '\0', {}
  for i = 1, #listed do slots[i] = prefix .. key_in(listed[i]) end
  if m.stale then read_entries(slots, 1, #slots) end
  local taken, cost_before, entry = 0, nil, nil
  for i = 1, #listed do
    local slot, stored = slots[i], listed[i]
    -- Else it was replaced by a more urgent entry of the same key, or is its own second entry.
    if m.stale and entries[slot] ~= CLASS[class] then
      replaced = replaced + 1
    elseif paused_kinds and paused_kinds[kind_in(slot)] then
      -- Its entry in the index stays: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
      append(P .. 'k:' .. kind_in(slot), string.char(#m.name) .. m.name .. stored)
      replaced = replaced + 1
    else
      local cost = byte(stored, COST_AT)
      local park = too_dear(m, class, cost)
      if park then
        put_back(m, class, listed, i)
        park(m)
        return i - 1, taken
      end
      m.out = m.out + cost
      if cost ~= cost_before then cost_before, entry = cost, pack(RUNNING, RUNS, epoch, m.returned % 4294967296, cost) end
      if m.stale then entries[slot] = entry end
      put_entry(slot, entry)
      taken = taken + 1
      reply[#reply + 1] = stored
    end
  end
  return #listed, taken
end

-- Claims at most `most` jobs of a lane, the most urgent class first; interactive ones alone where it is `hot`. Whether it claimed any.
local function serve(m, most, hot)
  local head, taken, left, state_before = #reply, 0, most, m.state
  reply[head + 1], reply[head + 2] = m.name, ''
  for class = 0, hot and 0 or 2 do
    if m[class] and left > 0 and m.state == state_before then
      local off, claimed_of_class = serve_class(m, class, left)
      left, taken = left - off, taken + claimed_of_class
    end
  end
  if not (m[0] or m[1] or m[2]) then m.stale = false end
  if taken > 0 then reply[head + 2] = text(taken) else reply[head + 1], reply[head + 2] = nil, nil end
  claimed = claimed + taken
  return taken > 0
end

-- Serves a lane that was taken off a ring.
local function visit(m, turn, hot)
  m.rings = m.rings - (hot and 1 or 2)
  if m.paused or (m.state ~= NORMAL and m.state ~= PROBE) then return end
  thaw(m)
  turn_day(m)
  local probing = m.state == PROBE
  local any = serve(m, probing and 1 or turn, hot)
  if probing and any then m.state = PROBING
  elseif probing and m.state ~= PROBE then break_off(m, INTERVAL)
  else activate(m) end
end

-- Takes at most `wanted` lanes off a ring, the one of interactive jobs first, and tells whether it is that one. Nil where both are empty.
local function off_rings(wanted)
  for number = 0, 1 do
    if not is_empty[number] then
      local names = call('LPOP', RING[number], text(wanted))
      is_empty[number] = not names or #names < wanted
      if names then return names, number == 0 end
    end
  end
end

local function claim(most)
  local visited = 0
  while claimed < most and visited < LIMIT_LANES and replaced < LIMIT_REPLACED do
    -- No more lanes than are needed if each gives a full turn: what is popped is visited.
    local names, hot = off_rings(math.ceil((most - claimed) / TURN))
    if not names then return end
    preload(names, 1, #names)
    -- Where fewer lanes are runnable than could be served, each has a longer turn.
    local turn = math.max(TURN, math.ceil((most - claimed) / #names))
    for i = 1, #names do visit(lane_of(names[i]), math.min(turn, most - claimed), hot) end
    visited = visited + #names
    -- So that a lane which is visited again is found on its ring.
    flush()
  end
end
