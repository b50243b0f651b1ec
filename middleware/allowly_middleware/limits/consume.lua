-- Counts one call by several limits, by all of them or by none. Redis runs it in one step.
-- KEYS: one counter each. ARGV: the time in microseconds or '' for the server's own, then for each counter
-- its kind ('window' or 'bucket'), calls, period in microseconds, and burst.
-- Returns 1 or 0 (whether the call was counted), then for each counter: fits (1 or 0), remaining, microseconds to wait.
-- All numbers are whole and below 2^53, so doubles hold them to the digit; '%.0f' writes them so.

local function text(number)
  return string.format('%.0f', number)
end

local function whole(value)
  local number = tonumber(value)
  if number == nil or number ~= math.floor(number) then
    error('a counter holds what is no whole number')
  end
  return number
end

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = whole(time[1]) * 1000000 + whole(time[2])
else
  now = whole(ARGV[1])
end

-- A list of the times of the calls, the oldest first. Nothing is dropped before the call is counted: a clock that
-- goes back then finds all that it had.
local function look_window(key, calls, period)
  local last = redis.call('LINDEX', key, -1)
  local at = last and math.max(now, whole(last)) or now
  local length = redis.call('LLEN', key)
  local ended, live = 0, length
  while ended < live do
    local middle = math.floor((ended + live) / 2)
    if whole(redis.call('LINDEX', key, middle)) > at - period then live = middle else ended = middle + 1 end
  end
  local left = calls - (length - ended)
  if left > 0 then return { fits = true, left = left, wait = 0, at = at, ended = ended } end
  return { fits = false, left = 0, wait = whole(redis.call('LINDEX', key, ended)) + period - now, at = at }
end

-- What the bucket lacks (one token is `period`, each microsecond brings `calls`), and since when.
local function look_bucket(key, calls, period, burst)
  local kept = redis.call('HMGET', key, 'lack', 'since')
  local lack, at = 0, now
  if kept[1] or kept[2] then
    local since = whole(kept[2])
    at = math.max(now, since)
    lack = math.max(0, whole(kept[1]) - (at - since) * calls)
  end
  local left = math.floor((burst * period - lack) / period)
  local missing = math.max(0, lack + period - burst * period)
  local wait = 0
  if left <= 0 then wait = math.ceil(missing / calls) + (at - now) end
  return { fits = left > 0, left = math.max(0, left), wait = wait, at = at, lack = lack }
end

local states, counted = {}, true
for i, key in ipairs(KEYS) do
  local kind, calls = ARGV[4 * i - 2], whole(ARGV[4 * i - 1])
  local period, burst = whole(ARGV[4 * i]), whole(ARGV[4 * i + 1])
  local state
  if kind == 'window' then
    state = look_window(key, calls, period)
  else
    state = look_bucket(key, calls, period, burst)
  end
  state.kind, state.calls, state.period = kind, calls, period
  states[i] = state
  counted = counted and state.fits
end

local reply = { counted and 1 or 0 }
for i, key in ipairs(KEYS) do
  local state = states[i]
  if counted then
    local ends
    if state.kind == 'window' then
      if state.ended > 0 then redis.call('LTRIM', key, text(state.ended), -1) end
      redis.call('RPUSH', key, text(state.at))
      ends = state.at + state.period
    else
      local lack = state.lack + state.period
      redis.call('HSET', key, 'lack', text(lack), 'since', text(state.at))
      ends = state.at + math.ceil(lack / state.calls)
    end
    -- Never before the counter is as good as new, and soon after.
    redis.call('PEXPIRE', key, text(math.floor((ends - now) / 1000) + 1))
    state.left = state.left - 1
  end
  reply[#reply + 1] = state.fits and 1 or 0
  reply[#reply + 1] = state.left
  reply[#reply + 1] = state.wait
end
return reply
