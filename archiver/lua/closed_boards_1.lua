#!lua name=shardboard_closed_boards_1
-- Drops closed boards from a shard, partition by partition. Called by archivers, again and again: a Redis that goes
-- back to an earlier moment brings closed boards back. Runs on Valkey 9 and Redis 7. Keys are built from the
-- partition's prefix `lb:{p}:` (KEYS[1]), so that all of them lie in one hash slot.

-- ARGV: period, end, period, end, … where `end` is the partition's offset that the closed board contains.
-- Drops boards only of a partition that is owned, not fenced, and applied up to there: a partition that is being moved
-- or restored is somebody else's, and one that lags would bring the board back in part. UNLINK frees in the background.
-- Reply: the number of boards dropped, or -1 when the partition may not be touched.
local function drop_boards(keys, args)
  local prefix = keys[1]
  local progress = redis.call('HMGET', prefix .. 'progress', 'state', 'fenced', 'next_offset')
  if progress[1] ~= 'owned' or progress[2] == '1' then
    return -1
  end
  local next_offset, dropped = tonumber(progress[3] or '0'), 0
  for i = 1, #args, 2 do
    if next_offset >= tonumber(args[i + 1]) then
      dropped = dropped + redis.call('UNLINK', prefix .. 'scores:' .. args[i])
      redis.call('UNLINK', prefix .. 'scored_at:' .. args[i])
    end
  end
  return dropped
end

redis.register_function('sb_closed1_drop_boards', drop_boards)
