-- Pauses or resumes a kind in all lanes of the shard, at a person's wish.
--
-- ARGV[2]: the kind. ARGV[3]: p to pause it, r to resume it. Nothing is moved here (law 10): claims put aside what they come upon of a
-- paused kind, and steps line it up again once it is resumed, whoever asked for that. Returns 1.
function functions.kinds(argv)
  local left = ''
  for mark, kind in string.gmatch(kinds or '', '(%a)([^/]+)/') do
    if kind ~= argv[2] then left = left .. mark .. kind .. '/' end
  end
  put_hash('kinds', left .. argv[3] .. argv[2] .. '/')
  runnable = true
  commit()
  return 1
end
