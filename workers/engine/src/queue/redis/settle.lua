-- What a settlement makes of its job and of its lane.
--
-- Packed: the outcome, epoch, calls sent, remaining by the server or 65535, delay in ms, ms since the last call ended (less than 0 where one may go on so
-- long), remaining of the day by the server or 2^32 - 1, the server's limits for an interval and a day or 0; from STORED_AT on the stored envelope
-- where it may run again.
-- Verdicts: D done or dead, R run again after the delay, F the same and it failed, H back to the head of its lane; T the server refuses for
-- the delay, B the lane is broken and probed after the delay, and the job goes back to its head.
-- Invariant: a job settles only with the epoch it was claimed with (law 5).
-- Positions of settlements that came too late.
local late
local running, to_run_again, settle_all
do
local VERDICT, STORED_AT = '>BdHHdi4I4HI4', 36
local DONE, AGAIN, FAILED, THROTTLED, BROKEN_OFF = byte('DRFTB', 1, 5)

local function put_aside_for_other_clients(m, remaining, returned_at_claim)
  -- The server counts every client of the quota. What it counted beyond ours was spent by another. Tokens that came back since the
  -- claim were still out when the server counted, so they are not another's (law 3).
  local ours = m.out + m.cooling + (m.returned - returned_at_claim) % 4294967296
  local foreign = (burst_of(m) - remaining) - ours
  if foreign > 0 then cool(m, math.min(foreign, math.max(0, free(m))), now + INTERVAL + 1) end
end

-- After a 429 the free tokens come back in four steps, behind those that cool already, so the lane starts gently.
local function hold(m, til)
  m.hold = math.max(m.hold, til)
  local start = math.max(m.hold, now, m.first_n > 0 and m.first or 0, m.last_n > 0 and m.last or 0)
  local quarter = math.ceil(math.max(0, free(m)) / 4)
  for step = 0, 3 do
    cool(m, math.min(quarter, math.max(0, free(m))), start + math.floor(step * INTERVAL / 4))
  end
end

-- What the outcome says of the lane as a whole, as of the time of its last answer. That of a probe decides on the circuit.
local function judge(m, outcome, delay, epoch_of_run, answered)
  local probe = m.circuit == PROBING and m.probe == epoch_of_run
  if outcome == DONE then
    m.failures = 0
    if probe then m.circuit, m.probe_at = CLOSED, 0 end
  elseif outcome == FAILED then
    m.failures = math.min(255, m.failures + 1)
    if probe or m.circuit == CLOSED and m.failures >= FAILURES then
      if probe then probe_again(m, now) end
      break_off(m, now + PROBE_AFTER)
    end
  else
    if probe then probe_again(m, now) end
    if outcome == THROTTLED then hold(m, answered + delay)
    elseif outcome == BROKEN_OFF then break_off(m, answered + delay) end
  end
end

-- What a outcome says of the lane that came too late for its job. It may come twice, and changes nothing then.
local function judge_late(m, outcome, delay, answered)
  local til = answered + delay
  if til <= now then return end
  if outcome == THROTTLED and til > m.hold then hold(m, til)
  elseif outcome == BROKEN_OFF and m.circuit == CLOSED then break_off(m, til) end
end

-- What the entry of a running job says: state, epoch, returned tokens, cost; nil where it does not run. Entries come in runs of equal ones.
local last_entry, last_state, last_epoch_of, last_returned, last_cost
function running(entry)
  if entry ~= last_entry then
    last_entry, last_state = entry, entry and byte(entry)
    if last_state == RUNS or last_state == RUNS_AGAIN then
      last_state, last_epoch_of, last_returned, last_cost = unpack_(RUNNING, entry)
    else
      last_state, last_epoch_of, last_returned, last_cost = nil, nil, nil, nil
    end
  end
  return last_state, last_epoch_of, last_returned, last_cost
end

-- The envelope of a running job that is to run again; where there is one more run to come, this one serves it too, and the more urgent
-- of the two pushes decides the class.
function to_run_again(slot, state, stored)
  if state == RUNS_AGAIN then
    local class = class_in(extra_of(slot))
    set_extra(slot, false)
    if class < class_in(stored) then return with_class(stored, class) end
  end
  return stored
end

local function settle(m, position, slot, packed)
  local outcome, settled, used, remaining, delay, since, remaining_today, burst, daily = unpack_(VERDICT, packed)
  local ended = now - since
  local answered = ended < now and ended or now
  local state, owner, returned, cost = running(entry_of(slot))
  if owner ~= settled then
    -- Too late: the job is another's, or this was reported before. What it sent was counted when its lease ended, or when it was reported; where the queue
    -- has lost its state meanwhile, its tokens are part of the rest.
    late[#late + 1] = position
    if settled < born then m.bin_used = m.bin_used + used end
    hear(m, answered, remaining_today, burst, daily)
    judge_late(m, outcome, delay, answered)
    return reconsider(m)
  end
  m.bin_used = m.bin_used + used
  m.out = m.out - cost
  -- Tokens come back one interval after the response, not after the settlement. A ms that began counts as a whole.
  if used > 0 then cool(m, used, ended + 1 + INTERVAL) end
  if remaining_today ~= 4294967295 or burst > 0 or daily > 0 then hear(m, answered, remaining_today, burst, daily) end
  if remaining ~= 65535 then put_aside_for_other_clients(m, remaining, returned) end
  judge(m, outcome, delay, settled, answered)
  -- What is due by now, as after an answer that was reported late, is free for this step.
  if m.first_n > 0 then thaw(m) end

  if outcome ~= DONE then
    local stored = to_run_again(slot, state, sub(packed, STORED_AT))
    if outcome == FAILED and byte(stored, ATTEMPT_AT) < 255 then stored = with(stored, ATTEMPT_AT, 1) end
    local put_off = outcome == AGAIN or outcome == FAILED
    -- A push that came during the run waits for nothing, as one that comes now would not.
    if put_off and delay > 0 and state == RUNS then schedule(m, slot, stored, now + delay)
    else enqueue(m, class_in(stored), slot, stored, not put_off) end
  elseif state == RUNS_AGAIN then
    local extra = extra_of(slot)
    set_extra(slot, false)
    enqueue(m, class_in(extra), slot, extra, false)
  else
    entries[slot] = false
    index_dels[#index_dels + 1] = slot
  end
  -- A settlement that freed nothing changes nothing for a lane whose next return is known.
  if cost > used or m.state ~= TOKENS then reconsider(m) else activate(m) end
end

-- Settles what `argv` reports from `first` on.
function settle_all(argv, first)
  local counts, names, slots, outcomes = reported(argv, first)
  preload(argv, names + 1, slots)
  read_entries(argv, slots + 1, outcomes)
  local job = 0
  for lane = 1, #counts do
    local m = lane_of(argv[names + lane])
    thaw(m)
    turn_day(m)
    for _ = 1, byte(counts, lane) do
      job = job + 1
      settle(m, job - 1, argv[slots + job], argv[outcomes + job])
    end
  end
end
end
