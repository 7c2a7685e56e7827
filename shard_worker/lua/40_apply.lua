-- The apply call: fence, position, repeats, limits and bounds first, then all writes, then the position.

local CONTROL_PERIODS = { adjust = 4, void = 4 }

local function periods_of(segments)
  local periods, needs_all = {}, false
  for _, segment in ipairs(segments) do
    local kind = segment[1]
    if kind == 'fold' then
      for _, group in ipairs(segment[2]) do
        for _, period in ipairs(group[1]) do
          periods[period] = true
        end
      end
    elseif CONTROL_PERIODS[kind] then
      for _, period in ipairs(segment[CONTROL_PERIODS[kind]]) do
        periods[period] = true
      end
    elseif kind == 'hide' or kind == 'unhide' or kind == 'erase' then
      needs_all = true
    end
  end
  return periods, needs_all
end

local function damaged(prefix, periods, windows, day)
  local bad
  for period in pairs(periods) do
    bad = bad or wrong_type(prefix .. 'scores:' .. period, 'zset')
    bad = bad or wrong_type(prefix .. 'scored_at:' .. period, 'hash')
  end
  for _, window in ipairs(windows) do
    bad = bad or wrong_type(prefix .. 'seen:' .. whole(window), 'set')
  end
  for before = 0, CAP_DAYS_BEFORE do
    bad = bad or wrong_type(prefix .. 'caps:' .. whole(day - before), 'hash')
  end
  for _, name in ipairs({ 'hidden', 'voided', 'erased', 'names' }) do
    bad = bad or wrong_type(prefix .. name, 'hash')
  end
  return bad or wrong_type(prefix .. 'kept', 'zset')
end

-- Follows each touched score through the call, only when the sum of all points comes near the limit, as an interval
-- where a void or an erase may or may not take effect. Exact for a call of one record, never too generous for more.
local function leaves_bounds(state, segments)
  local low, high = {}, {}
  local function step(user, period, down, up)
    local key = period .. '\0' .. user
    if low[key] == nil then
      local parked = state:parked_of(user)
      local score = parked and parked[period] and parked[period][1]
        or not parked and redis.call('ZSCORE', state:scores(period), user)
      low[key] = tonumber(score or 0)
      high[key] = low[key]
    end
    low[key], high[key] = low[key] + down, high[key] + up
    return high[key] >= LIMIT or low[key] <= -LIMIT
  end
  for _, segment in ipairs(segments) do
    local kind, user, points = segment[1], segment[2], segment[3]
    if kind == 'fold' then
      for _, group in ipairs(segment[2]) do
        for _, period in ipairs(group[1]) do
          for i, increment in ipairs(group[3]) do
            if step(group[2][2 * i - 1], period, increment, increment) then
              return true
            end
          end
        end
      end
    elseif kind == 'adjust' or kind == 'void' then
      for _, period in ipairs(segment[4]) do
        local down = kind == 'void' and math.min(-points, 0) or points
        local up = kind == 'void' and math.max(-points, 0) or points
        if step(user, period, down, up) then
          return true
        end
      end
    elseif kind == 'erase' then
      for period in pairs(state.boards) do
        step(user, period, 0, 0)
        local key = period .. '\0' .. user
        low[key], high[key] = math.min(low[key], 0), math.max(high[key], 0)
      end
    end
  end
  return false
end

local function void_points(segments)
  local sum = 0
  for _, segment in ipairs(segments) do
    if segment[1] == 'void' then
      sum = sum + math.abs(segment[3])
    end
  end
  return sum
end

-- By log time: of windows only the newest two can exist, of caps the newest three days.
local function drop_old(prefix, window_before, window, day_before, day)
  for old = window_before - 1, math.min(window_before, window - 2) do
    redis.call('UNLINK', prefix .. 'seen:' .. whole(old))
  end
  for old = day_before - CAP_DAYS_BEFORE, math.min(day_before, day - CAP_DAYS_BEFORE - 1) do
    redis.call('UNLINK', prefix .. 'caps:' .. whole(old))
  end
end

local function run_segments(state, segments)
  local voided = 0
  for _, segment in ipairs(segments) do
    local kind = segment[1]
    if kind == 'fold' then
      for _, group in ipairs(segment[2]) do
        state:fold(group[1], group[2], group[3])
      end
    elseif kind == 'adjust' then
      state:add(segment[2], segment[3], segment[4])
    elseif kind == 'void' then
      voided = voided + state:void(segment[2], segment[3], segment[4], segment[5], segment[6], segment[7])
    elseif kind == 'hide' then
      state:hide(segment[2], segment[3])
    elseif kind == 'unhide' then
      state:unhide(segment[2], segment[3])
    elseif kind == 'erase' then
      state:erase(segment[2], segment[3], segment[4])
    elseif kind == 'name' then
      state:name(segment[2], segment[3])
    end
  end
  return voided
end

-- ARGV: epoch, writer, expected offset, ids (16 bytes each), body (msgpack), floors (msgpack: period → score, scored_at).
-- Replies: OK rows stale-boards | FENCED … | SEEK next_offset | DUPLICATES i… | CAPPED i… | BOUNDS | DAMAGED …
local function apply(keys, args)
  local prefix = keys[1]
  -- 1. Only the owner's current writer may go on.
  local bad = wrong_type(prefix .. 'progress', 'hash')
  if bad then
    return bad
  end
  local progress = read_progress(prefix)
  if is_refused(progress, tonumber(args[1]), args[2]) then
    return fenced(progress)
  end
  -- 2. Only what comes next in the log, whichever side is ahead.
  if progress.next_offset ~= tonumber(args[3]) then
    return { 'SEEK', whole(progress.next_offset) }
  end
  local body = cmsgpack.unpack(args[5])
  local window, day = math.floor(body.log_ms / body.window_ms), math.floor(body.log_ms / DAY_MS)
  local state = State.new(prefix, cmsgpack.unpack(args[6]))
  local periods, needs_all = periods_of(body.segments)
  if needs_all then
    local start = #prefix + #'scores:' + 1
    for _, key in ipairs(redis.call('KEYS', prefix .. 'scores:*')) do
      periods[string.sub(key, start)] = true
    end
  end
  state.boards = periods
  bad = damaged(prefix, periods, { window - 1, window }, day)
  if bad then
    return bad
  end
  -- 3. What counted before does not count again; what is over its limit does not count.
  local chunks, repeated = chunks_of(args[4]), {}
  mark_seen(chunks, prefix .. 'seen:' .. whole(window), repeated)
  mark_seen(chunks, prefix .. 'seen:' .. whole(window - 1), repeated)
  mark_kept(chunks, prefix .. 'kept', body.runs, repeated)
  if next(repeated) then
    local indexes = sorted_keys(repeated)
    return { 'DUPLICATES', unpack(indexes, 1, math.min(#indexes, CHUNK)) }
  end
  local used, capped = judge_limits(prefix, day, body.limited)
  if #capped > 0 then
    return { 'CAPPED', unpack(capped, 1, math.min(#capped, CHUNK)) }
  end
  -- 4. No score may leave the range in which whole numbers are exact.
  if progress.points + body.points + void_points(body.segments) >= LIMIT and leaves_bounds(state, body.segments) then
    return { 'BOUNDS' }
  end
  -- 5. All writes, the log's order kept.
  local voided = run_segments(state, body.segments)
  state:flush(body.names)
  for _, chunk in ipairs(chunks) do
    redis.call('SADD', prefix .. 'seen:' .. whole(window), unpack(chunk.ids))
  end
  for _, item in ipairs(body.keep) do
    redis.call('ZADD', prefix .. 'kept', whole(item[2]), string.sub(args[4], item[1] * 16 - 15, item[1] * 16))
  end
  for field, use in pairs(used) do
    redis.call('HSET', prefix .. 'caps:' .. whole(day), field, whole(use[1]) .. ':' .. whole(use[2]))
  end
  redis.call('ZREMRANGEBYSCORE', prefix .. 'kept', '-inf', '(' .. whole(body.log_ms))
  drop_old(prefix, math.floor(progress.log_ms / body.window_ms), window, math.floor(progress.log_ms / DAY_MS), day)
  -- 6. The position, in the same call.
  redis.call('HSET', prefix .. 'progress', 'next_offset', whole(body.next_offset), 'log_ms', whole(body.log_ms),
    'last', body.last, 'points', whole(math.min(progress.points + body.points + voided, LIMIT - 1)),
    'counted', whole(progress.counted + body.counted))
  return { 'OK', cmsgpack.pack(state.rows), cmsgpack.pack(sorted_keys(state.stale)) }
end
