#!lua flags=allow-oom
-- Takes what was committed out of pending, then trims the stream.
--
-- KEYS  1 stream, 2 open, then seq and pending of each scope
-- ARGV  1 and 2 the entry ids above which, and up to which, all that was committed is in this call
--       3 «flushed» when all of it was just flushed; else it was read again from the stream, what was void then and had
--         its number given anew included, and this is «id generation» of the last entry that was read, or empty
--       4 the entry id below which the stream is trimmed, as far as it is cleaned (empty: not at all)
--       5 seconds a counter lives once nothing of its scope is pending
--       then for each scope how many numbers follow, and the numbers
-- reply the stream's length; -1 when another entry lies last there now: Redis is another one, and nothing was done
--
-- A pending write goes only while it is a committed one: a newer edit stays. How far all is cleaned is noted in «open», so
-- that a new leader begins there.
local stream, open, from, to, flushed = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3] == 'flushed'

local function above(id, other)
  local ms, seq = string.match(id, '^(%d+)-(%d+)')
  local oms, oseq = string.match(other, '^(%d+)-(%d+)')
  ms, oms = tonumber(ms), tonumber(oms)
  return ms > oms or (ms == oms and tonumber(seq) > tonumber(oseq))
end

if not flushed then
  local last = redis.call('XREVRANGE', stream, to, '(' .. from, 'COUNT', 1)[1]
  if (last and last[1] .. string.match(last[2][2], '^%a( %d+)') or '') ~= ARGV[3] then return -1 end
end

local at = 6
for s = 3, #KEYS, 2 do
  local seq, pending, n = KEYS[s], KEYS[s + 1], tonumber(ARGV[at])
  local edited = redis.call('HGET', seq, 'edited')
  if flushed and not (edited and above(edited, to)) then
    redis.call('HDEL', pending, unpack(ARGV, at + 1, at + n))
  else
    local values, gone = redis.call('HMGET', pending, unpack(ARGV, at + 1, at + n)), {}
    for i = 1, n do
      if values[i] and not above(values[i], to) then gone[#gone + 1] = ARGV[at + i] end
    end
    if #gone > 0 then redis.call('HDEL', pending, unpack(gone)) end
  end
  at = at + 1 + n
  if redis.call('EXISTS', pending) == 0 and redis.call('HEXISTS', seq, 'n') == 1 then
    if redis.call('HSETNX', seq, 'ttl', '1') == 1 then redis.call('EXPIRE', seq, ARGV[5]) end
  end
end
local o = redis.call('HMGET', open, 'gen', 'cleaned')
local mark, trim = o[2] or '0-0', ARGV[4]
if o[1] and not above(from, mark) and above(to, mark) then
  mark = to
  redis.call('HSET', open, 'cleaned', mark)
end
if trim ~= '' then -- what is not cleaned yet is still read for that: an older file may have come back with it
  redis.call('XTRIM', stream, 'MINID', '~', above(trim, mark) and mark or trim)
end
return redis.call('XLEN', stream)
