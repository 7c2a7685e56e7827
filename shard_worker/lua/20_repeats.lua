-- What a call must not count: ids that counted before, actions over their limits.

-- The ids in chunks of a size that one command takes: {first = index of the first, ids = {…}}.
local function chunks_of(blob)
  local chunks, count = {}, #blob / 16
  for first = 1, count, CHUNK do
    local ids = {}
    for i = first, math.min(first + CHUNK - 1, count) do
      ids[#ids + 1] = string.sub(blob, i * 16 - 15, i * 16)
    end
    chunks[#chunks + 1] = { first = first, ids = ids }
  end
  return chunks
end

local function mark_seen(chunks, key, repeated)
  if redis.call('EXISTS', key) == 0 then
    return
  end
  for _, chunk in ipairs(chunks) do
    for i, is_member in ipairs(redis.call('SMISMEMBER', key, unpack(chunk.ids))) do
      if is_member == 1 then
        repeated[chunk.first + i - 1] = true
      end
    end
  end
end

-- `runs` tells each id's log time: {last index, log_ms, last index, log_ms, …}.
local function mark_kept(chunks, key, runs, repeated)
  if redis.call('EXISTS', key) == 0 then
    return
  end
  local run = 1
  for _, chunk in ipairs(chunks) do
    for i, keep_until in ipairs(redis.call('ZMSCORE', key, unpack(chunk.ids))) do
      local index = chunk.first + i - 1
      while runs[run] < index do
        run = run + 2
      end
      if keep_until and runs[run + 1] <= tonumber(keep_until) then
        repeated[index] = true
      end
    end
  end
end

local function sorted_keys(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

-- What a user used of one action's limits: {count today, received_at of the last one or nil}.
local function use_of(prefix, day, field)
  local today = redis.call('HGET', prefix .. 'caps:' .. whole(day), field)
  if today then
    local count, last = string.match(today, '^(%d+):(%d+)$')
    return { tonumber(count), tonumber(last) }
  end
  for before = 1, CAP_DAYS_BEFORE do
    local earlier = redis.call('HGET', prefix .. 'caps:' .. whole(day - before), field)
    if earlier then
      return { 0, tonumber(string.match(earlier, ':(%d+)$')) }
    end
  end
  return { 0, nil }
end

-- `limited` holds {index, field, cap or 0, cooldown or 0, received_at} in log order.
local function judge_limits(prefix, day, limited)
  local used, capped = {}, {}
  for _, item in ipairs(limited) do
    local index, field, cap, cooldown, received_at = unpack(item)
    local use = used[field] or use_of(prefix, day, field)
    used[field] = use
    if cap > 0 and use[1] >= cap or cooldown > 0 and use[2] and received_at - use[2] < cooldown then
      capped[#capped + 1] = index
    else
      use[1], use[2] = use[1] + 1, received_at
    end
  end
  return used, capped
end
