#!lua flags=allow-oom
-- Sets a scope's counter from what the database holds. Raises only.
--
-- KEYS  1 open, 2 seq, 3 pending
-- ARGV  1 the generation in which accept.lua asked for it, 2 its time (µs), 3 the highest number known,
--       4 how old (µs) that time may be, 5 seconds a counter lives while nothing of its scope is pending
-- reply OK | STALE: nothing done, the generation is another or the reading too old
local open, seq = KEYS[1], KEYS[2]
local gen, asked, n, age = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local o = redis.call('HMGET', open, 'gen', 'floor_gen')
local now = redis.call('TIME')
local passed = tonumber(now[1]) * 1000000 + tonumber(now[2]) - asked
if o[1] ~= gen or passed > age or passed < -age then return {'STALE'} end
local c = redis.call('HMGET', seq, 'n', 'gen')
if c[2] and tonumber(c[2]) >= tonumber(o[2] or '0') then n = math.max(n, tonumber(c[1])) end
redis.call('HSET', seq, 'n', string.format('%.0f', n), 'gen', gen)
if redis.call('EXISTS', KEYS[3]) == 0 then -- it was asked for, maybe by a reader alone: who writes makes it stay
  redis.call('HSET', seq, 'ttl', '1')
  redis.call('EXPIRE', seq, ARGV[5])
end
return {'OK'}
