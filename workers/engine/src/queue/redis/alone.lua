-- Notes that of a worker's claimed jobs one runs and all others wait: a suspect that runs alone (law 11).
--
-- ARGV[2]: its slot; empty where it is of another shard. ARGV[3]: 1 to note it, 0 to end that. ARGV[4..]: epochs of the worker's batches.
-- Returns 1.
function functions.alone(argv)
  for i = 4, #argv do
    local note = 'A' .. argv[i]
    if argv[3] ~= '1' then hash_dels[#hash_dels + 1] = note
    elseif call('HEXISTS', H, 'B' .. argv[i]) == 1 then put_hash(note, argv[2]) end
  end
  commit()
  return 1
end
