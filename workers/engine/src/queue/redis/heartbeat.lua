-- Extends the leases of claimed batches.
--
-- ARGV[2..]: epochs. Returns per epoch 1 where the lease was still there, else 0: its jobs are another's by now.
function functions.heartbeat(argv)
  local answers = {}
  for i = 2, #argv do
    local batch = 'B' .. argv[i]
    answers[i - 1] = 0
    if call('ZSCORE', TIMER, batch) then
      timer_adds[batch] = now + LEASE
      answers[i - 1] = 1
    end
  end
  commit()
  return answers
end
