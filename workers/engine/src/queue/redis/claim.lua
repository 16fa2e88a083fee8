-- What a claim takes: the lane first, then the job (law 4).
--
-- Invariant: tokens taken never exceed the burst within one interval of the last response (law 2).
-- The epoch of this claim, what is returned of the claimed jobs, and their count.
local epoch, reply, claimed
-- Count of entries passed over, since a more urgent one of their key ran in their place, their kind is paused, or they can't be read.
local replaced
-- The kinds that are paused; nil where there are none.
local paused_kinds
-- How many jobs of a lane the worker has room for; lanes of which it runs many already have less. Lanes that were passed over because of that.
local share, rooms, passed_over

local look_at_kinds, claim, more_runnable
do
local LIMIT_LANES, LIMIT_REPLACED = 100, 100
-- Turns of lanes with interactive jobs before one of the others has its own, where some of those wait.
local HOT_TURNS = 8

local ASIDE = '>Bc0'

local function kind_in(slot)
  local at = find(slot, '\0', 1, true)
  return sub(slot, at + 1, find(slot, '/', at, true) - 1)
end

-- Lines up again, at the tails of their lanes, as many jobs of a resumed kind as one step may. Whether there may be more.
local function line_up(kind)
  local list = P .. 'k:' .. kind
  local aside = peek(list, LIMIT_DUE)
  drop(list, #aside)
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
function look_at_kinds()
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
  if left ~= kinds then put_hash('kinds', left) end
  return more
end

-- What a lane has for jobs of a class: calls of its day, those that the day leaves to the class for now, tokens.
local function means(m, class)
  if class < 2 then return day_left(m), math.huge, free(m) end
  return day_left(m) - daily_reserve_of(m), day_left_to_bulk(m), free(m) - reserve_of(m)
end

-- Claims at most `most` of a lane's listed envelopes of a class, and parks the lane where the next one is too dear. How many it took off
-- the list, and how many of these it claimed.
local function serve_class(m, class, most)
  local list = QUEUE[class] .. m.name
  local listed = peek(list, most)
  local prefix, slots = m.name .. '\0', {}
  for i = 1, #listed do
    local key = key_of(listed[i], class)
    slots[i] = key and prefix .. key or ''
  end
  if m.stale then read_entries(slots, 1, #slots) end
  local taken, cost_before, entry = 0, nil, nil
  local of_day, of_pace, tokens = means(m, class)
  for i = 1, #listed do
    local slot, stored = slots[i], listed[i]
    if slot == '' then
      set_aside(string.char(#m.name) .. m.name .. stored)
      replaced = replaced + 1
    -- Else it was replaced by a more urgent entry of the same key, or is its own second entry.
    elseif m.stale and entries[slot] ~= CLASS[class] then
      replaced = replaced + 1
    elseif paused_kinds and paused_kinds[kind_in(slot)] then
      -- Its entry in the index stays: a push of its key finds it waiting. Nothing is paid, and what is behind it goes on.
      append(P .. 'k:' .. kind_in(slot), string.char(#m.name) .. m.name .. stored)
      replaced = replaced + 1
    else
      local cost = byte(stored, COST_AT)
      if cost > 1 and cost > most_cost(m, class) then
        -- The limit was higher when it was pushed.
        stored = with(stored, COST_AT, most_cost(m, class) - cost)
        cost = byte(stored, COST_AT)
      end
      -- One job a bin is always let through, however small the share.
      local park = cost > of_day and park_for_day or cost > of_pace and m.bin_used + m.out > 0 and park_for_pace or cost > tokens and park_for_tokens
      if park then
        drop(list, i - 1)
        park(m)
        return i - 1, taken
      end
      m.out, of_day, of_pace, tokens = m.out + cost, of_day - cost, of_pace - cost, tokens - cost
      if cost ~= cost_before then cost_before, entry = cost, pack(RUNNING, RUNS, epoch, m.returned % 4294967296, cost) end
      if m.stale then entries[slot] = entry end
      put_entry(slot, entry)
      taken = taken + 1
      reply[#reply + 1] = stored
    end
  end
  drop(list, #listed)
  m[class] = not is_empty(list)
  return #listed, taken
end

-- Claims at most `most` jobs of a lane, the most urgent class first; interactive ones alone where it is `hot`. How many it claimed.
local function serve(m, most, hot)
  local head, taken, left = #reply, 0, most
  reply[head + 1], reply[head + 2] = m.name, ''
  for class = 0, hot and 0 or 2 do
    if m[class] and left > 0 and m.state == NORMAL then
      local off, claimed_of_class = serve_class(m, class, left)
      left, taken = left - off, taken + claimed_of_class
    end
  end
  if not (m[0] or m[1] or m[2]) then m.stale = false end
  if taken > 0 then reply[head + 2] = text(taken) else reply[head + 1], reply[head + 2] = nil, nil end
  claimed = claimed + taken
  return taken
end

-- Serves a lane that was taken off a ring.
local function visit(m, turn, hot)
  m.rings = m.rings - (hot and 1 or 2)
  if m.paused or m.state ~= NORMAL or m.circuit == PROBING then return end
  local opens = m.circuit == OPEN and math.max(m.hold, m.probe_at) or m.hold
  if opens > now then return activate(m) end
  local room = rooms[m.name] or share
  if room <= 0 then
    m.rings = m.rings + (hot and 1 or 2)
    passed_over[#passed_over + 1] = {m.name, hot}
    return
  end
  thaw(m)
  turn_day(m)
  local taken = serve(m, m.circuit == OPEN and 1 or math.min(turn, room), hot)
  rooms[m.name] = room - taken
  if taken > 0 and m.circuit == OPEN then m.circuit, m.probe = PROBING, epoch
  else activate(m) end
end

-- Takes at most `wanted` lanes off a ring, the one of interactive jobs first but now and then, and reports whether it is that one. Nil where both are
-- empty.
local function off_rings(wanted)
  local others_first = turns >= HOT_TURNS
  for i = 0, 1 do
    local number = others_first and 1 - i or i
    local list = RING[number]
    local names = peek(list, others_first and i == 0 and 1 or wanted)
    if names[1] then
      drop(list, #names)
      turns = number == 0 and math.min(HOT_TURNS, turns + #names) or 0
      return names, number == 0
    end
  end
end

function claim(most)
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
  end
end

-- Whether a lane is on a ring, other than those that were passed over.
function more_runnable() return not (is_empty(RING[0]) and is_empty(RING[1])) end
end
