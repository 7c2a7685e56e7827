-- The scores that one call changes: folds, controls, parked scores of hidden users, names.

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

-- The shard's last tracked row on a board: its score, and its scored_at.
function State:floor(period)
  local floor = self.floors[period]
  if floor then
    return floor[1], floor[2]
  end
  return -LIMIT, 0
end

-- A row at or above the floor appeared, changed or left by something else than growing: read the top anew.
function State:is_in_top(period, score)
  return score >= self:floor(period)
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
    local scores, rows = self:scores(period), self.rows[period] or {}
    local floor, floor_at = self:floor(period)
    self.rows[period] = rows
    for i = 1, #points do
      local user = flat[2 * i - 1]
      local score, scored_at = tonumber(redis.call('ZINCRBY', scores, points[i], user)), flat[2 * i]
      -- Who reaches the floor's score after it stands behind it: while all are equal, that is nearly everybody.
      if score > floor or score == floor and scored_at <= floor_at then
        local n = #rows
        rows[n + 1], rows[n + 2], rows[n + 3] = user, score, scored_at
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
  local first = oldest[string.match(period, '^[^:]+')]
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
    if score and tonumber(score) >= floor[1] then
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
