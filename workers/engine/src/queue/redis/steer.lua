-- Pauses or resumes a lane, at a person's wish.
--
-- ARGV[2]: the lane. ARGV[3]: pause or resume. A resumed lane tries again at once, also where its circuit was open; what the server has refused stays
-- refused, and tokens stay away as long as their calls count.
-- Returns 1.
function functions.steer(argv)
  local m = lane_of(argv[2])
  thaw(m)
  turn_day(m)
  if argv[3] == 'pause' then
    m.paused = true
  else
    m.paused, m.failures, m.circuit, m.probe_at = false, 0, CLOSED, 0
    if m.state == DAY_SPENT or m.state == PACED then m.state = NORMAL end
    activate(m)
  end
  commit()
  return 1
end
