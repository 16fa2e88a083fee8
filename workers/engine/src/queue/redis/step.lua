-- One step of a worker: settles what it finished, fires what is due, claims what can run.
--
-- ARGV[2]: what the worker measured, packed: the least that the queue's time can be by now, and how often a clock had been set when it learned that; empty
-- where it knows nothing yet. ARGV[3]: the most jobs to claim. ARGV[4]: the most of one lane; then, for lanes of which the worker has many already,
-- the lane, NUL, how many more, NUL. ARGV[5]: count of finished batches, then their epochs. Then the settlements as `reported` reads them, packed as
-- `settle.lua` says.
-- Returns: incarnation, now in ms, how often a clock was set, epoch of the claim, ms until something is due (-1: nothing known, 0: more is runnable),
-- positions of settlements that came too late, then what was claimed, lane by lane: its name, the count of its jobs, their envelopes.

-- How soon to ask again where all that is runnable is of lanes of which the worker has enough.
local ROOM_AGAIN = 100

function functions.step(argv)
  late, reply, claimed, replaced, paused_kinds, gone_timers, rooms, passed_over = {}, {}, 0, 0, nil, {}, {}, {}
  if argv[2] ~= '' then
    local least, steps_then = unpack_('>dd', argv[2])
    if steps_then == steps and now < least then went_back(math.ceil(least - now)) end
    resting = math.max(0, rest - now)
  end
  -- Above every earlier epoch, also of an earlier life of this server: records are fenced by it.
  epoch = math.max(now_us, last_epoch + 1)
  local first = 5 + tonumber(argv[5]) + 1
  for i = 6, first - 1 do
    local batch = 'B' .. argv[i]
    hash_dels[#hash_dels + 1] = batch
    hash_dels[#hash_dels + 1] = 'A' .. argv[i]
    timer_rems[#timer_rems + 1] = batch
    gone_timers[batch] = true
  end
  settle_all(argv, first)
  fire_due()
  local lining_up = kinds and look_at_kinds()
  local most = tonumber(argv[3])
  if most > 0 and resting == 0 then
    share = most
    for lane, room in string.gmatch(argv[4], '([^%z]*)%z([^%z]*)%z') do
      if lane == '' then share = tonumber(room) else rooms[lane] = tonumber(room) end
    end
    local turns_before = turns
    claim(most)
    -- Turns that gave nothing are none.
    if claimed == 0 then turns = turns_before
    else
      last_epoch, self_changed = epoch, true
      local batch = 'B' .. text(epoch)
      put_hash(batch, cmsgpack.pack(reply))
      remind(now + LEASE, batch)
    end
  end

  local wait = -1
  runnable = lining_up or more_runnable()
  if resting > 0 then
    wait, runnable = resting, false
  elseif runnable then wait = 0
  else
    local due = next_due()
    if due then wait = math.max(0, math.ceil(due) - now) end
    if #passed_over > 0 then wait = wait < 0 and ROOM_AGAIN or math.min(wait, ROOM_AGAIN) end
  end
  for i = 1, #passed_over do append(RING[passed_over[i][2] and 0 or 1], passed_over[i][1]) end
  commit()
  return {text(born), text(now), text(steps), claimed > 0 and text(epoch) or '0', text(wait), table.concat(late, ','), unpack(reply)}
end
