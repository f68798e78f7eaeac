#!lua flags=allow-oom
-- Opens a partition in a generation that the caller has won on the database's cursor row. Raises only.
--
-- KEYS  1 stream, 2 open
-- ARGV  1 the replid that said STALE, 2 the generation, 3 the cursor's entry id, 4 its generation,
--       5 for how many seconds idempotency keys that Redis misses are asked for in the database
-- reply OTHER replid   nothing done: this is another Redis
--       HIGHER gen     nothing done: it was opened in this generation or a higher one
--       KEPT           opened; the stream follows on the cursor
--       LOST id n      opened; it does not: a marker with that id was added above the cursor and all up to it is void;
--                      n entries of the stream are
local stream, open = KEYS[1], KEYS[2]
local expect, gen, position, position_gen, ask = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if replid ~= expect then return {'OTHER', replid} end
local o = redis.call('HMGET', open, 'gen', 'floor')
if o[1] and tonumber(o[1]) >= tonumber(gen) then return {'HIGHER', o[1]} end

local function header(id) -- of the entry with that id, or ''
  if id == '0-0' then return '' end
  local e = redis.call('XRANGE', stream, id, id)[1]
  return e and e[2][2] or ''
end

local function below(id, other)
  local ms, seq = string.match(id, '^(%d+)-(%d+)')
  local oms, oseq = string.match(other, '^(%d+)-(%d+)')
  ms, oms = tonumber(ms), tonumber(oms)
  return ms < oms or (ms == oms and tonumber(seq) < tonumber(oseq))
end

-- what lies below the floor is void: nothing follows on it, though it is there
local kept = not below(position, o[2] or '0-0') and string.match(header(position), '^%a (%d+)') == position_gen
if not kept and o[2] then kept = string.match(header(o[2]), '^k %d+ (%S+)$') == position end
if kept then
  redis.call('HSET', open, 'replid', replid, 'gen', gen)
  redis.call('HDEL', open, 'closed_until')
  return {'KEPT'}
end

local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local ms, seq = string.match(position, '(%d+)-(%d+)')
ms, seq = tonumber(ms), tonumber(seq)
if last then
  local lms, lseq = string.match(last[1], '(%d+)-(%d+)')
  lms, lseq = tonumber(lms), tonumber(lseq)
  if lms > ms or (lms == ms and lseq > seq) then ms, seq = lms, lseq end
end
local now = tonumber(redis.call('TIME')[1])
if now * 1000 > ms then ms, seq = now * 1000, 0 elseif seq >= 2000000 then ms, seq = ms + 1, 0 else seq = seq + 1 end
local id = redis.call('XADD', stream, string.format('%.0f-%.0f', ms, seq), 'h', 'k ' .. gen .. ' ' .. position)
local until_ = position == '0-0' and 0 or now + ask -- nothing was ever stored: there is no key to ask for
redis.call('HSET', open, 'replid', replid, 'gen', gen, 'floor', id, 'floor_gen', gen, 'ask_until', string.format('%.0f', until_))
redis.call('HDEL', open, 'next', 'closed_until')
if not last then redis.call('HSET', open, 'cleaned', position) end -- whoever came before may have had nothing to note it in
return {'LOST', id, redis.call('XLEN', stream) - 1}
