#!lua
-- Accepts a batch of writes, each with its number and its queue entry in one step.
--
-- KEYS  of each partition: stream, open, then seq and pending of each scope, and after those of the scope the idem key
--       of each of its writes that has one
-- ARGV  1 seconds an idem key lives, 2 number of partitions, then of each partition:
--         «generation limit scopes writes keys args»: how many entries the stream may hold; how many scopes and writes
--         follow, and how many of KEYS and ARGV are the partition's
--         of each scope «application chat» and how many writes follow, and of each of those two:
--           head  «c» a chat, «m» a message, «e number created» an edit (created: µs), «q» no write: ask for the counter;
--                 with an idem key «c asked key payload», «m …»: whether the database was asked for it in this
--                 generation (1 or 0), the hashes of key and payload in hex;
--                 with a trace «t» and its hex digits before all that: «tdigits m», «tdigits e number created»
--           body
-- reply the time, then for each partition one of
--         STALE replid gen opened   nothing done: not the Redis or generation that the caller knows, or it was closed for too
--                                   long; its own replid, the generation in which it was opened (0: never), whether it was
--                                   opened as what it is
--         FULL                      nothing done
--         OK and for each write one of
--           ok number id updated | replay number id | reused | ask | absent | failed |
--           closed (a restore is at work); a «q» gets ok with the last number
--           seed n: no counter of this generation; n is the highest number that pending or the counter still vouch for
--       times are µs since 1970; versions and times stay strings, since Lua's numbers lose digits when written
local KEYS, ARGV, call, pcall, match, format = KEYS, ARGV, redis.call, redis.pcall, string.match, string.format
local ttl = ARGV[1]
local replid = match(call('INFO', 'replication'), 'master_replid:(%w+)')
local now = call('TIME')
local time = now[1] .. format('%06d', tonumber(now[2]))
local both = ' ' .. time .. ' ' .. time -- created and updated now

-- Whether a value that begins with an entry's id is void: at or below the floor.
local function void(value, floorms, floorseq)
  local ms, seq = match(value, '^(%d+)-(%d+)')
  ms = tonumber(ms)
  return ms < floorms or (ms == floorms and tonumber(seq) <= floorseq)
end

-- The highest number that pending holds above the floor, 0 for none. What is void goes.
local function vouched(pending, floorms, floorseq)
  local numbers = call('HKEYS', pending)
  for i = 1, #numbers do numbers[i] = tonumber(numbers[i]) end
  table.sort(numbers)
  for i = #numbers, 1, -1 do
    local field = format('%d', numbers[i])
    if not void(call('HGET', pending, field), floorms, floorseq) then return numbers[i] end
    call('HDEL', pending, field)
  end
  return 0
end

-- Accepts the writes of a partition, whose KEYS begin at k and whose scopes begin at a in ARGV.
local function accept(k, a, gen, limit, scopes, writes)
  local stream, open = KEYS[k], KEYS[k + 1]
  local o = call('HMGET', open, 'replid', 'gen', 'floor', 'floor_gen', 'ask_until', 'next', 'closed_until')
  local closed = o[7] and tonumber(o[7]) * 1000 > tonumber(time)
  if o[1] ~= replid or o[2] ~= gen or (o[7] and not closed) then return {'STALE', replid, o[2] or '0', o[1] == replid and '1' or '0'} end
  if call('XLEN', stream) + writes > limit then return {'FULL'} end
  local floorms, floorseq = match(o[3] or '0-0', '(%d+)-(%d+)')
  floorms, floorseq = tonumber(floorms), tonumber(floorseq)
  local ask = tonumber(o[5] or '0') > tonumber(now[1])
  local nextid, last, stopped = o[6] or '*', nil, false
  local reply, replies = {'OK'}, 1
  k = k + 2
  for _ = 1, scopes do
    local seq, pending, scope = KEYS[k], KEYS[k + 1], ' ' .. gen .. ' ' .. ARGV[a] .. ' '
    local counter = call('HMGET', seq, 'n', 'gen', 'ttl')
    local n, live = tonumber(counter[1] or '0'), counter[2] == gen
    if not live and not (counter[2] and tonumber(counter[2]) >= tonumber(o[4] or '0')) then
      n = vouched(pending, floorms, floorseq) -- the counter was given before what is void
    end
    local before, added, size, edited, count = n, {}, 0, nil, tonumber(ARGV[a + 1])
    k, a = k + 2, a + 2
    for _ = 1, count do
      local kind, body, answer = ARGV[a], ARGV[a + 1], nil
      local number, times, updated, idem, key, payload, traced = n + 1, both, time, nil, nil, nil, nil
      if #kind > 1 then
        local head = kind
        kind = string.sub(head, 1, 1)
        if kind == 't' then
          traced, head = match(head, '^t(%x+) (.+)$')
          kind = string.sub(head, 1, 1)
        end
        if kind == 'e' then
          local edited, created = match(head, '^e (%d+) (%d+)$')
          number = tonumber(edited)
          if tonumber(created) >= tonumber(time) then updated = format('%d', tonumber(created) + 1) end
          times = ' ' .. created .. ' ' .. updated
        elseif #head > 1 then
          local asked
          asked, key, payload = match(head, '^%a (%d) (%w+ (%w+))$')
          idem = KEYS[k]
          k = k + 1
          local given = call('GET', idem)
          if given and not void(given, floorms, floorseq) then
            local id, hash, replayed = match(given, '^(%S+) (%w+) (%d+)$')
            answer = hash == payload and 'replay ' .. replayed .. ' ' .. id or 'reused'
          elseif ask and asked == '0' then
            answer = 'ask'
          end
        end
      end
      if stopped then
        answer = 'failed'
      elseif answer then -- by its idem key
      elseif closed and kind ~= 'q' then
        answer = 'closed'
      elseif not live then
        answer = format('seed %d', n)
      elseif kind == 'q' then
        answer = format('ok %d 0-0 0', n)
      elseif kind == 'e' and number > n then
        answer = 'absent'
      else
        local digits = format('%d', number)
        local header, id = kind .. scope .. digits .. times, nil
        -- the step that can fail comes first: a script that fails halfway is not rolled back
        if idem and traced then
          id = pcall('XADD', stream, nextid, 'h', header, 'b', body, 'k', key, 't', traced)
        elseif idem then
          id = pcall('XADD', stream, nextid, 'h', header, 'b', body, 'k', key)
        elseif traced then
          id = pcall('XADD', stream, nextid, 'h', header, 'b', body, 't', traced)
        else
          id = pcall('XADD', stream, nextid, 'h', header, 'b', body)
        end
        if type(id) == 'table' then
          stopped, answer = true, 'failed'
        else
          last, nextid = id, '*'
          if kind == 'e' then edited = id else n = number end
          added[size + 1], added[size + 2] = digits, id .. ' ' .. kind .. times .. ' ' .. body
          size = size + 2
          if idem then pcall('SET', idem, id .. ' ' .. payload .. ' ' .. digits, 'EX', ttl) end
          answer = 'ok ' .. digits .. ' ' .. id .. ' ' .. updated
        end
      end
      a = a + 2
      replies = replies + 1
      reply[replies] = answer
    end
    if n > before then pcall('HSET', seq, 'n', format('%d', n)) end
    if edited then pcall('HSET', seq, 'edited', edited) end
    if size > 0 then
      pcall('HSET', pending, unpack(added))
      if counter[3] then -- something of the scope is pending: its counter must not expire
        pcall('PERSIST', seq)
        pcall('HDEL', seq, 'ttl')
      end
    end
  end
  if last then -- a version has 21 bits for the sequence: a batch is far less than what is left here
    local ms, seq = match(last, '(%d+)-(%d+)')
    if tonumber(seq) >= 2000000 then
      pcall('HSET', open, 'next', format('%d-0', tonumber(ms) + 1))
    elseif o[6] then
      pcall('HDEL', open, 'next')
    end
  end
  return reply
end

local reply, k, a = {time}, 1, 3
for p = 1, tonumber(ARGV[2]) do
  local gen, limit, scopes, writes, keys, args = match(ARGV[a], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  reply[1 + p] = accept(k, a + 1, gen, tonumber(limit), tonumber(scopes), tonumber(writes))
  k, a = k + tonumber(keys), a + tonumber(args)
end
return reply
