#!lua name=shardboard_v1
-- Everything that writes a partition's keys, in one place: scores, offset, epoch and seen ids change together or not at
-- all. Runs on Valkey 9 and Redis 7. Keys are built from the partition's prefix `lb:{p}:` (KEYS[1]), so that all of
-- them lie in one hash slot. A change that an older worker could not live with bumps the version in every name here.
--
-- Ids of actions come as one blob of 16 bytes each, because cmsgpack knows no bin type; single ids inside the body (of
-- voided actions, erased users, limits) are hexadecimal text.
-- Numbers: Lua's are doubles, exact below 2^53, which `LIMIT` guards; text of large ones is made with %.0f.

local LIMIT = 9007199254740992
local DAY_MS = 86400000
-- Arguments of one variadic command: Lua's unpack ends at 7,999. Even, for pairs of field and value.
local CHUNK = 7000
-- Days of caps kept besides today: a cooldown of up to a day must survive two changes of day when clocks differ.
local CAP_DAYS_BEFORE = 2

local function whole(number)
  return string.format('%.0f', number)
end

-- progress -------------------------------------------------------------------------------------------------------

local function read_progress(prefix)
  local raw = redis.call('HMGET', prefix .. 'progress', 'state', 'epoch', 'fenced', 'writer', 'next_offset', 'log_ms',
    'points', 'counted', 'last')
  return {
    state = raw[1] or '', epoch = tonumber(raw[2] or '0'), fenced = raw[3] or '0', writer = raw[4] or '',
    next_offset = tonumber(raw[5] or '0'), log_ms = tonumber(raw[6] or '0'), points = tonumber(raw[7] or '0'),
    counted = tonumber(raw[8] or '0'), last = raw[9] or '',
  }
end

local function is_refused(progress, epoch, writer)
  return progress.epoch ~= epoch or progress.state ~= 'owned' or progress.fenced == '1' or progress.writer ~= writer
end

local function fenced(progress)
  return { 'FENCED', progress.state, whole(progress.epoch), progress.fenced, progress.writer }
end

local function wrong_type(key, expected)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= expected then
    return { 'DAMAGED', key, found, expected }
  end
end

-- repeats and limits ---------------------------------------------------------------------------------------------

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

-- the state that one call changes ----------------------------------------------------------------------------------

local State = {}
State.__index = State

function State.new(prefix, floors)
  local self = setmetatable({ prefix = prefix, floors = floors, rows = {}, stale = {}, parked = {}, dirty = {} }, State)
  self.has_hidden = redis.call('EXISTS', prefix .. 'hidden') == 1
  return self
end

function State:scores(period)
  return self.prefix .. 'scores:' .. period
end

function State:scored_at(period)
  return self.prefix .. 'scored_at:' .. period
end

-- A row at or above the shard's K-th appeared, changed or left by something else than growing: read the top anew.
function State:is_in_top(period, score)
  return score >= (self.floors[period] or -LIMIT)
end

function State:parked_of(user)
  local parked = self.parked[user]
  if parked == nil then
    local raw = self.has_hidden and redis.call('HGET', self.prefix .. 'hidden', user)
    parked = raw and cmsgpack.unpack(raw) or false
    self.parked[user] = parked
  end
  return parked
end

function State:fetch_parked(flat)
  for first = 1, #flat, CHUNK do
    local users = {}
    for i = first, math.min(first + CHUNK - 1, #flat), 2 do
      if self.parked[flat[i]] == nil then
        users[#users + 1] = flat[i]
      end
    end
    if #users > 0 then
      for i, raw in ipairs(redis.call('HMGET', self.prefix .. 'hidden', unpack(users))) do
        self.parked[users[i]] = raw and cmsgpack.unpack(raw) or false
      end
    end
  end
end

function State:park(user, period, points, scored_at)
  local parked = self.parked[user]
  local entry = parked[period] or { 0, 0 }
  parked[period] = { entry[1] + points, scored_at or entry[2] }
  self.dirty[user] = true
end

-- One fold: `flat` = {user, scored_at, user, scored_at, …} and the increments in the same order, for all of `periods`.
function State:fold(periods, flat, points)
  if self.has_hidden then
    flat, points = self:without_hidden(periods, flat, points)
  end
  for _, period in ipairs(periods) do
    local scores, floor, rows = self:scores(period), self.floors[period] or -LIMIT, self.rows[period] or {}
    self.rows[period] = rows
    for i = 1, #points do
      local user = flat[2 * i - 1]
      local score = tonumber(redis.call('ZINCRBY', scores, points[i], user))
      if score >= floor then
        local n = #rows
        rows[n + 1], rows[n + 2], rows[n + 3] = user, score, flat[2 * i]
      end
    end
    for first = 1, #flat, CHUNK do
      redis.call('HSET', self:scored_at(period), unpack(flat, first, math.min(first + CHUNK - 1, #flat)))
    end
  end
end

function State:without_hidden(periods, flat, points)
  self:fetch_parked(flat)
  local shown, shown_points = {}, {}
  for i = 1, #points do
    local user, scored_at = flat[2 * i - 1], flat[2 * i]
    if self.parked[user] then
      for _, period in ipairs(periods) do
        self:park(user, period, points[i], scored_at)
      end
    else
      local n = #shown
      shown[n + 1], shown[n + 2] = user, scored_at
      shown_points[#shown_points + 1] = points[i]
    end
  end
  return shown, shown_points
end

function State:add(user, points, periods)
  local parked = self:parked_of(user)
  for _, period in ipairs(periods) do
    if parked then
      self:park(user, period, points)
    else
      local score = tonumber(redis.call('ZINCRBY', self:scores(period), whole(points), user))
      if self:is_in_top(period, math.max(score, score - points)) then
        self.stale[period] = true
      end
    end
  end
end

-- Whether a period still takes changes: `oldest` names, per kind, the oldest that does. Ids of a kind sort by time.
local function is_open(period, oldest)
  local first = oldest[string.match(period, '^%a+_?%a+')]
  return first ~= nil and period >= first
end

function State:remove(user, period)
  local score = redis.call('ZSCORE', self:scores(period), user)
  if not score then
    return nil
  end
  local scored_at = redis.call('HGET', self:scored_at(period), user)
  redis.call('ZREM', self:scores(period), user)
  redis.call('HDEL', self:scored_at(period), user)
  if self:is_in_top(period, tonumber(score)) then
    self.stale[period] = true
  end
  return { tonumber(score), tonumber(scored_at or '0') }
end

function State:hide(user, oldest)
  if self:parked_of(user) then
    return
  end
  local parked = {}
  for period in pairs(self.boards) do
    if is_open(period, oldest) then
      parked[period] = self:remove(user, period)
    end
  end
  self.parked[user], self.dirty[user], self.has_hidden = parked, true, true
end

function State:unhide(user, oldest)
  local parked = self:parked_of(user)
  if not parked then
    return
  end
  for period, entry in pairs(parked) do
    if is_open(period, oldest) then
      redis.call('ZADD', self:scores(period), whole(entry[1]), user)
      if entry[2] > 0 then
        redis.call('HSET', self:scored_at(period), user, whole(entry[2]))
      end
      if self:is_in_top(period, entry[1]) then
        self.stale[period] = true
      end
    end
  end
  self.parked[user], self.dirty[user] = false, true
end

function State:erase(user, user16, offset)
  for period in pairs(self.boards) do
    self:remove(user, period)
  end
  redis.call('HDEL', self.prefix .. 'names', user)
  redis.call('HSET', self.prefix .. 'erased', user16, whole(offset))
  self.parked[user], self.dirty[user] = false, true
end

-- Returns the points that the void moved: none when it was done before, or when an erase came after the action.
function State:void(user, points, periods, void16, user16, void_offset)
  local erased_at = redis.call('HGET', self.prefix .. 'erased', user16)
  if erased_at and tonumber(erased_at) > void_offset then
    return 0
  end
  if redis.call('HSETNX', self.prefix .. 'voided', void16, whole(void_offset)) == 0 then
    return 0
  end
  self:add(user, -points, periods)
  return math.abs(points)
end

-- Names are kept only of users at or above the shard's K-th row of some board.
function State:name(user, name)
  for period, floor in pairs(self.floors) do
    local score = redis.call('ZSCORE', self:scores(period), user)
    if score and tonumber(score) >= floor then
      redis.call('HSET', self.prefix .. 'names', user, name)
      return
    end
  end
end

function State:flush(names)
  for user in pairs(self.dirty) do
    if self.parked[user] then
      redis.call('HSET', self.prefix .. 'hidden', user, cmsgpack.pack(self.parked[user]))
    else
      redis.call('HDEL', self.prefix .. 'hidden', user)
    end
  end
  for _, rows in pairs(self.rows) do
    for i = 1, #rows, 3 do
      local user = rows[i]
      if names[user] then
        redis.call('HSET', self.prefix .. 'names', user, names[user])
        names[user] = nil
      end
    end
  end
end

-- checks before the first write --------------------------------------------------------------------------------------

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

-- apply --------------------------------------------------------------------------------------------------------------

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

-- ARGV: epoch, writer, expected offset, ids (16 bytes each), body (msgpack), floors (msgpack: period → K-th score).
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

-- claim --------------------------------------------------------------------------------------------------------------

-- ARGV: epoch, writer, shard, offset at which a partition without progress begins ('' = it may not begin).
-- Replies: CLAIMED next_offset log_ms last | ABSENT | STATE state | AHEAD epoch | PAUSED | DAMAGED …
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
  elseif progress.state ~= 'owned' then
    return { 'STATE', progress.state }
  elseif progress.epoch > epoch then
    return { 'AHEAD', whole(progress.epoch) }
  elseif progress.epoch == epoch and progress.fenced == '1' then
    return { 'PAUSED' }
  end
  redis.call('HSET', prefix .. 'progress', 'owner', args[3], 'epoch', whole(epoch), 'writer', args[2], 'fenced', '0',
    'token', '', 'chunks', '0')
  return { 'CLAIMED', whole(progress.next_offset), whole(progress.log_ms), progress.last }
end

-- names --------------------------------------------------------------------------------------------------------------

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

-- lease --------------------------------------------------------------------------------------------------------------

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
