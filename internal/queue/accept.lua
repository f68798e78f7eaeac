#!lua
-- Accepts a batch of writes of one partition, each with its number and its queue entry in one step.
--
-- KEYS  1 stream, 2 open, then seq and pending of each scope, then the idem key of each write that has one
-- ARGV  1 generation, 2 entries that the stream may hold, 3 seconds an idem key lives, 4 number of scopes,
--       «application chat» of each scope, then four of each write:
--         scope (its place among the scopes)
--         head  «c» a chat, «m» a message, «e number created» an edit (created: µs), «q» no write: ask for the counter
--         body
--         key   empty, or «place asked key payload»: the idem key's place in KEYS, whether the database was asked in
--               this generation (1 or 0), the hashes of key and payload in hex
-- reply STALE replid gen opened   nothing done: not the Redis or generation that the caller knows; its own replid, the
--                                 generation in which it was opened (0: never), whether it was opened as what it is
--       FULL                      nothing done
--       OK time and for each write one of
--         ok number id updated | replay number id | reused | ask | absent | failed; a «q» gets ok with the last number
--         seed n: no counter of this generation; n is the highest number that pending or the counter still vouch for
--       times are µs since 1970; versions and times stay strings, since Lua's numbers lose digits when written
local stream, open = KEYS[1], KEYS[2]
local gen, limit, ttl, scopes = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local first = 4 + scopes
local writes = (#ARGV - first) / 4

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local o = redis.call('HMGET', open, 'replid', 'gen', 'floor', 'floor_gen', 'ask_until', 'next')
if o[1] ~= replid or o[2] ~= gen then
  return {'STALE', replid, o[2] or '0', o[1] == replid and '1' or '0'}
end
if redis.call('XLEN', stream) + writes > limit then return {'FULL'} end

local now = redis.call('TIME')
local time = now[1] .. string.format('%06d', tonumber(now[2]))
local ask = tonumber(o[5] or '0') > tonumber(now[1])
local nextid = o[6] or '*'
local floorms, floorseq = string.match(o[3] or '0-0', '(%d+)-(%d+)')
floorms, floorseq = tonumber(floorms), tonumber(floorseq)

local function void(value) -- value begins with an entry's id
  local ms, seq = string.match(value, '^(%d+)-(%d+)')
  ms = tonumber(ms)
  return ms < floorms or (ms == floorms and tonumber(seq) <= floorseq)
end

local counters = {}

-- The counter of a scope, or nil and the number from which it is to be seeded.
local function counter(i)
  local c = counters[i]
  if not c then
    local h = redis.call('HMGET', KEYS[1 + 2 * i], 'n', 'gen', 'ttl')
    c = {n = tonumber(h[1] or '0'), ttl = h[3], live = h[2] == gen, given = 0, pending = {}}
    if not c.live and not (h[2] and tonumber(h[2]) >= tonumber(o[4] or '0')) then
      c.n = 0 -- given before what is void: what pending holds above the floor counts alone
      local numbers = redis.call('HKEYS', KEYS[2 + 2 * i])
      for k = 1, #numbers do numbers[k] = tonumber(numbers[k]) end
      table.sort(numbers)
      for k = #numbers, 1, -1 do
        local field = string.format('%.0f', numbers[k])
        if void(redis.call('HGET', KEYS[2 + 2 * i], field)) then
          redis.call('HDEL', KEYS[2 + 2 * i], field)
        else
          c.n = numbers[k]
          break
        end
      end
    end
    counters[i] = c
  end
  return c
end

local stopped = false

local function accept(at)
  if stopped then return 'failed' end
  local scope, head, body, key = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local idem, asked, hash, payload
  if key ~= '' then
    idem, asked, hash, payload = string.match(key, '(%d+) (%d) (%w+) (%w+)')
    idem = KEYS[tonumber(idem)]
    local given = redis.call('GET', idem)
    if given and not void(given) then
      local id, was, number = string.match(given, '^(%S+) (%w+) (%d+)$')
      if was ~= payload then return 'reused' end
      return 'replay ' .. number .. ' ' .. id
    end
    if ask and asked == '0' then return 'ask' end
  end
  local c = counter(scope)
  if not c.live then return string.format('seed %.0f', c.n) end
  local kind, number, created, updated = string.sub(head, 1, 1), c.n + 1, time, time
  if kind == 'q' then return string.format('ok %.0f 0-0 0', c.n) end
  if kind == 'e' then
    number, created = string.match(head, '^e (%d+) (%d+)$')
    number = tonumber(number)
    if number > c.n then return 'absent' end
    if tonumber(created) >= tonumber(time) then updated = string.format('%.0f', tonumber(created) + 1) end
  end
  local digits = string.format('%.0f', number)
  local entry = {'h', kind .. ' ' .. gen .. ' ' .. ARGV[4 + scope] .. ' ' .. digits .. ' ' .. created .. ' ' .. updated, 'b', body}
  if idem then
    entry[5], entry[6] = 'k', hash .. ' ' .. payload
  end
  -- the step that can fail comes first: a script that fails halfway is not rolled back
  local id = redis.pcall('XADD', stream, nextid, unpack(entry))
  if type(id) == 'table' then
    stopped = true
    return 'failed'
  end
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  nextid = '*'
  if tonumber(seq) >= 2000000 then nextid = string.format('%.0f-0', tonumber(ms) + 1) end -- a version has 21 bits for it
  if kind ~= 'e' then
    c.n = number
    c.given = 1
  end
  local p = c.pending
  p[#p + 1] = digits
  p[#p + 1] = id .. ' ' .. kind .. ' ' .. created .. ' ' .. updated .. ' ' .. body
  if idem then redis.pcall('SET', idem, id .. ' ' .. payload .. ' ' .. digits, 'EX', ttl) end
  return 'ok ' .. digits .. ' ' .. id .. ' ' .. updated
end

local reply = {'OK', time}
for i = 1, writes do
  reply[2 + i] = accept(first + 4 * i - 3)
end
for i, c in pairs(counters) do
  if c.given == 1 then redis.pcall('HSET', KEYS[1 + 2 * i], 'n', string.format('%.0f', c.n)) end
  if #c.pending > 0 then
    redis.pcall('HSET', KEYS[2 + 2 * i], unpack(c.pending))
    if c.ttl then -- something of the scope is pending: its counter must not expire
      redis.pcall('PERSIST', KEYS[1 + 2 * i])
      redis.pcall('HDEL', KEYS[1 + 2 * i], 'ttl')
    end
  end
end
if nextid ~= (o[6] or '*') then
  if nextid == '*' then redis.pcall('HDEL', open, 'next') else redis.pcall('HSET', open, 'next', nextid) end
end
return reply
