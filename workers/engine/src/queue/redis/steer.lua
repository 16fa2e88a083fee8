-- Pauses or resumes a lane, at a person's wish.
--
-- ARGV[2]: the lane. ARGV[3]: pause or resume. A resumed lane tries again at once, also where it was held or broken.
-- Returns 1.
function functions.steer(argv)
  local m = lane_of(argv[2])
  thaw(m)
  if argv[3] == 'pause' then
    m.paused = true
  else
    m.paused, m.hold, m.failures = false, 0, 0
    if m.state == HELD or m.state == BROKEN or m.state == DAY_SPENT or m.state == PACED then m.state = NORMAL end
    activate(m)
  end
  save()
  wake()
  return 1
end
