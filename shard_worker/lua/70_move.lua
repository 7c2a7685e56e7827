-- A partition on its way to another shard: fenced in its source, listed on both sides, forgotten at the end. Rows are
-- read and written by plain commands in transactions (shard_worker/redis_move_wire.py), which look at the same token of
-- the mover's own fence or wipe: after a roll-back, a second mover or an abort every later call of this one is refused.

local SIZES = { zset = 'ZCARD', hash = 'HLEN', set = 'SCARD' }

-- In the source the fence is ours, in the target the copy is: `role` says which of the two this server is.
local function is_mover(prefix, role, token)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'fenced', 'token')
  if raw[3] ~= token or token == '' then
    return false
  end
  if role == 'source' then
    return raw[1] == 'owned' and raw[2] == '1'
  end
  return role == 'target' and raw[1] == 'copying'
end

-- {word, next_offset, log_ms, last, points, counted, chunks, key, type, size, key, type, size, …} without `progress`.
local function inventory_of(word, prefix)
  local progress = read_progress(prefix)
  local found = { word, whole(progress.next_offset), whole(progress.log_ms), progress.last, whole(progress.points),
    whole(progress.counted), redis.call('HGET', prefix .. 'progress', 'chunks') or '0' }
  for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
    local name = string.sub(key, #prefix + 1)
    if name ~= 'progress' then
      local kind = redis.call('TYPE', key).ok
      if not SIZES[kind] then
        return { 'DAMAGED', key, kind, 'zset, hash or set' }
      end
      found[#found + 1] = name
      found[#found + 1] = kind
      found[#found + 1] = redis.call(SIZES[kind], key)
    end
  end
  return found
end

-- Stops the source's writer for good at the move's epoch. Refused when the source stands at a newer epoch. A state of
-- before the source became the owner is no state. ARGV: move epoch, token, epoch since which the source is the owner.
-- Replies: FENCED (inventory) | NOTHING state epoch | AHEAD epoch | DAMAGED …
local function fence(keys, args)
  local prefix, epoch = keys[1], tonumber(args[1])
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  local progress = read_progress(prefix)
  if progress.epoch > epoch then
    return { 'AHEAD', whole(progress.epoch) }
  end
  if progress.state ~= 'owned' or progress.epoch < tonumber(args[3]) then
    return { 'NOTHING', progress.state, whole(progress.epoch) }
  end
  local found = inventory_of('FENCED', prefix)
  if found[1] == 'FENCED' then
    redis.call('HSET', prefix .. 'progress', 'epoch', whole(epoch), 'fenced', '1', 'token', args[2])
  end
  return found
end

-- What there is, and where it stands in the log. ARGV: role, token. Replies: OK (inventory) | REFUSED … | DAMAGED …
local function inventory(keys, args)
  if not is_mover(keys[1], args[1], args[2]) then
    return refused(keys[1])
  end
  return inventory_of('OK', keys[1])
end

-- Removes a shard's leftover of a partition that another shard owns at this epoch. Refused when it stands at a newer
-- one: then it is no leftover. UNLINK frees beside the server's loop.
-- ARGV: epoch. Replies: OK keys | REFUSED … | DAMAGED …
local function forget(keys, args)
  local prefix = keys[1]
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  if read_progress(prefix).epoch > tonumber(args[1]) then
    return refused(prefix)
  end
  local found = redis.call('KEYS', prefix .. '*')
  for _, key in ipairs(found) do
    redis.call('UNLINK', key)
  end
  return { 'OK', #found }
end

-- A shard that is full can still be moved away from.
redis.register_function({ function_name = 'sb1_fence', callback = fence, flags = { 'allow-oom' } })
redis.register_function({ function_name = 'sb1_forget', callback = forget, flags = { 'allow-oom' } })
redis.register_function({ function_name = 'sb1_inventory', callback = inventory, flags = { 'no-writes' } })
