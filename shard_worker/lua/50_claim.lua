-- Claims, names, the lease, and the registration of all functions.

-- ARGV: epoch, writer, shard, offset at which a partition without progress begins ('' = it may not begin), epoch since
-- which the shard is the owner: an older state is what was left here before another shard had the partition.
-- Replies: CLAIMED next_offset log_ms last | ABSENT | STATE state | AHEAD epoch | LEFTOVER epoch | PAUSED | DAMAGED …
local function claim(keys, args)
  local prefix, epoch, begin = keys[1], tonumber(args[1]), args[4]
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  local progress = read_progress(prefix)
  if progress.state == '' then
    if begin == '' then
      return { 'ABSENT' }
    end
    for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
      redis.call('UNLINK', key)
    end
    redis.call('HSET', prefix .. 'progress', 'next_offset', begin, 'log_ms', '0', 'last', '', 'points', '0',
      'counted', '0', 'state', 'owned')
    progress = read_progress(prefix)
  elseif progress.epoch > epoch then
    return { 'AHEAD', whole(progress.epoch) }
  elseif progress.state ~= 'owned' then
    return { 'STATE', progress.state }
  elseif progress.epoch < tonumber(args[5]) then
    return { 'LEFTOVER', whole(progress.epoch) }
  elseif progress.epoch == epoch and progress.fenced == '1' then
    return { 'PAUSED' }
  end
  redis.call('HSET', prefix .. 'progress', 'owner', args[3], 'epoch', whole(epoch), 'writer', args[2], 'fenced', '0',
    'token', '', 'chunks', '0')
  return { 'CLAIMED', whole(progress.next_offset), whole(progress.log_ms), progress.last }
end

-- ARGV: epoch, writer, users whose names are no longer needed.
local function drop_names(keys, args)
  local progress = read_progress(keys[1])
  if is_refused(progress, tonumber(args[1]), args[2]) then
    return fenced(progress)
  end
  for first = 3, #args, CHUNK do
    redis.call('HDEL', keys[1] .. 'names', unpack(args, first, math.min(first + CHUNK - 1, #args)))
  end
  return { 'OK' }
end

-- Takes or prolongs the lease: 1 when `writer` holds it now. ARGV: writer, ms.
local function take_lease(keys, args)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= args[1] then
    return 0
  end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

local function drop_lease(keys, args)
  if redis.call('GET', keys[1]) == args[1] then
    return redis.call('DEL', keys[1])
  end
  return 0
end

redis.register_function('sb1_apply', apply)
redis.register_function('sb1_claim', claim)
redis.register_function('sb1_drop_names', drop_names)
redis.register_function('sb1_take_lease', take_lease)
redis.register_function('sb1_drop_lease', drop_lease)
