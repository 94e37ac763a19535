/** What runs inside the server. Each script is atomic: all of it or nothing. The layout is written down in LAYOUT.md. */
import { createHash } from 'node:crypto'

export interface Script {
  readonly text: string
  readonly sha: string
}

const script = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') })

/**
 * What tells a server from another, and from itself before a restart or a promotion: a master takes another id of replication
 * each time. (https://redis.io/docs/latest/operate/oss_and_stack/management/replication, "Replication ID explained")
 */
const identity = `local server = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if not server then return redis.error_reply('MEMISLAYOUT INFO tells no master_replid, so that a restart would not be noticed') end`

/**
 * Whether log and ttl are there, if the last write left them there. One that was evicted or deleted by hand would make items
 * invisible, or deletes look like items that were lost. Both expire together where nothing is left that does not: the second
 * result is whether they did.
 */
const intactness = `local function isIntact(left, logged, timed, now)
  local hadLogged, hadTimed, expire = string.match(left or '', '^(%d+) (%d+) (%d+)$')
  if not hadLogged then return true end
  if expire ~= '0' and now >= tonumber(expire) then return true, true end
  return (hadLogged == '0' or logged > 0) and (hadTimed == '0' or timed > 0)
end`

/**
 * What every writing script begins with. All that can fail fails here, before the first write, since a script is not
 * rolled back: a batch that its writer has given up, or that would overtake the one it follows, keys of a foreign type, a layout
 * that is not this one.
 * (A script with a shebang is refused as a whole when the server is out of memory.)
 */
const opening = `#!lua
local meta, log, ttl, writer, origins = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel, epoch, retention, remember = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local sequence, follows = string.match(ARGV[2], '^(%d+) ?(%d*)$')
sequence, follows = tonumber(sequence), tonumber(follows)

local done = redis.call('GET', writer) or ''
local last, answer = string.match(done, '^(%d+) ([^\\n]*)')
local former, formerAt, formerAnswer = string.match(done, '\\n(%d+) (%d+) (.*)$')
last, former = tonumber(last), tonumber(former)
if last and last > sequence and former ~= sequence then
  return redis.error_reply('MEMISFENCED a newer batch of this writer was taken before')
end
if follows and last ~= follows then
  return redis.error_reply('MEMISORDER the batch before this one was not taken')
end

local known = redis.call('HMGET', meta, 'layout', 'head', 'epochs', 'server', 'cards', 'forgotten')
if known[1] and known[1] ~= '1' then
  return redis.error_reply('MEMISLAYOUT the collection has layout ' .. known[1] .. ', this is layout 1')
end
${intactness}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- An error where one is of another type.
local loggedBefore, timedBefore = redis.call('ZCARD', log), redis.call('ZCARD', ttl)
local intact, expired = isIntact(known[5], loggedBefore, timedBefore, now)
local putBack = redis.call('HLEN', origins) > 0
local allowed = redis.acl_check_cmd
if not (allowed('DEL', log) and allowed('HSET', meta, 'f', 'v') and allowed('HGET', meta, 'f') and allowed('HDEL', meta, 'f')
  and allowed('PEXPIREAT', log, 1) and allowed('PERSIST', log) and allowed('ZADD', log, 1, 'm') and allowed('ZREM', log, 'm') and allowed('ZSCORE', log, 'm')
  and allowed('ZRANGEBYSCORE', log, 1, 2) and allowed('ZREVRANGEBYSCORE', log, 2, 1) and allowed('ZREVRANGE', log, 0, 0)
  and allowed('ZCOUNT', ttl, 1, 2) and allowed('SET', writer, 'v')
  and allowed('INFO') and allowed('PUBLISH', channel, 'm')) then
  return redis.error_reply('NOPERM this user may not run all the commands that a write needs')
end

local head = tonumber(known[2])
if not head then
  head = tonumber(redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2] or 0)
end
-- Up to which number marks may be missing: all of them went with the log, if that has expired.
local forgotten = expired and head or tonumber(known[6] or '0') or head

-- Another server, or the same one started or promoted anew, may have lost what was last written: its numbers are another epoch's.
-- So are those of one that was put back, while it ran, to before what a reader knows of.
${identity}
local epochs = string.match(known[3] or '', '^[%w:%s-]+:%d+$') or ''
if not intact and known[1] then
  -- Of what it says nothing can be relied on: the replicas put back what they hold.
  epochs = ''
  redis.call('DEL', log, ttl, origins)
end
local current = string.match(epochs, '([^%s:]+):%d+$') or ''
local past, reached, kept = string.match(ARGV[7] or '', '^<(%S+) (%d+) (%d+)$')
local floor = head
local shared = past == current and math.min(head, tonumber(kept))
local wentBack = past and (current < past or (shared and shared < tonumber(reached)))
-- What a reader knows of is less than there is, unless the store went back: it is no floor where just the server is another.
if wentBack and shared then floor = shared end
if epochs == '' or known[4] ~= server or wentBack then
  -- Its name is greater than those before it, also where the clock is behind that of the server before.
  local begins = now
  for _, id in ipairs({ current, past or '' }) do
    begins = math.max(begins, (tonumber(string.match(id, '^(%x+)%-') or '', 16) or 0) + 1)
  end
  local list = {}
  for each in string.gmatch(epochs, '%S+') do list[#list + 1] = each end
  list[#list + 1] = string.format('%011x-', begins) .. epoch .. ':' .. floor
  epochs = table.concat(list, ' ', math.max(1, #list - 31))
  redis.call('HSET', meta, 'layout', 1, 'epochs', epochs, 'server', server, 'head', head)
end
local begun
epoch, begun = string.match(epochs, '([^%s:]+):(%d+)$')
begun = tonumber(begun)

-- Calls a command with a list of arguments of any length: unpack has a limit of about 8,000.
local function each4000(command, key, list)
  for i = 1, #list, 4000 do
    redis.call(command, key, unpack(list, i, math.min(i + 3999, #list)))
  end
end
`

/** What every writing script ends with. One without writes, which has no items among its keys, sweeps. */
const closing = `
local mostMarks = 100000
-- Marks of what is gone are kept for the retention, and no more of them than so many; 'forgotten' tells up to which number they may be missing.
local old = now - retention
local limit = math.max(#KEYS == 5 and 2000 or 100, 2 * (n - head))
local timed, swept = redis.call('ZCARD', ttl), {}
if timed > mostMarks and timed - redis.call('ZCOUNT', ttl, '(' .. now, '+inf') > mostMarks then old = now end
if timed > 0 then
  swept[1] = redis.call('ZRANGEBYSCORE', ttl, '(0', old, 'LIMIT', 0, limit)
  swept[2] = redis.call('ZREVRANGEBYSCORE', ttl, '(0', -old, 'LIMIT', 0, limit)
end
for _, keys in ipairs(swept) do
  for _, key in ipairs(keys) do
    forgotten = math.max(forgotten, tonumber(redis.call('ZSCORE', log, key) or 0))
  end
  each4000('ZREM', log, keys)
  each4000('ZREM', ttl, keys)
  timed = timed - #keys
  if putBack then each4000('HDEL', origins, keys) end
end
if forgotten > 0 and tostring(forgotten) ~= known[6] then redis.call('HSET', meta, 'forgotten', forgotten) end

-- Where nothing is left that does not expire, nobody may come to remove the marks: they go by themselves.
local logged, expire = redis.call('ZCARD', log), 0
if timed > 0 and logged == timed then
  expire = math.max(now, tonumber(redis.call('ZREVRANGE', ttl, 0, 0, 'WITHSCORES')[2])) + retention
  for _, key in ipairs({ log, ttl, origins }) do redis.call('PEXPIREAT', key, expire) end
elseif string.sub(known[5] or '', -2) ~= ' 0' then
  for _, key in ipairs({ log, ttl, origins }) do redis.call('PERSIST', key) end
end
redis.call('HSET', meta, 'head', n, 'cards', logged .. ' ' .. timed .. ' ' .. string.format('%d', expire))
`

/**
 * Takes a batch of sets and deletes.
 * KEYS: meta, log, ttl, writer, origins, then the item of each write.
 * ARGV: channel, sequence and behind a space that of the batch it follows, id for a new epoch, retention ms, ms to remember the writer, payload, '=' and the epoch that a
 * batch which restores counts in ('' for others; of an empty one, '<' and the epoch and number that a reader knows of, and up to
 * which number it still holds good: a store that is not as far begins an epoch), a JSON list that tells of each write the ttl in ms
 * (0 none, -1 a delete) and, of a set, where in the payload its item begins (counted from 1), its form (counted from 1), and the length in
 * bytes of each field's value; a JSON list of forms, each a list of the fields' names and, behind each, the length in bytes of the name as it
 * stands before the value; then, where they restore, of each write the floor, and epoch and number of its origin.
 * Returns 'epoch first codes', of a batch that was taken before also the ms since then, with a code for each write: 1 the key was there, 0 it was not, x it had expired, r it was
 * not restored.
 */
export const writeScript = script(`${opening}
-- With the time since then: a ttl counts from the first time.
if last == sequence then return answer .. ' ' .. (remember - redis.call('PTTL', writer)) end
if former == sequence then return formerAnswer .. ' ' .. (now - formerAt) end
local earlier = ''
if follows then
  earlier = '\\n' .. follows .. ' ' .. string.format('%d', now - (remember - redis.call('PTTL', writer))) .. ' ' .. answer
end

local n, restores, payload, past = head, ARGV[7] ~= '', ARGV[6], 10
-- Decoded at once in C, for all writes: parsing it in Lua would be a good part of the whole.
local shapes, forms, at = #KEYS > 5 and cjson.decode(ARGV[8]), #KEYS > 5 and cjson.decode(ARGV[9]) or {}, 1
local codes, void, logged, due, hasTtl, back = {}, {}, {}, {}, false, {}

-- Whether a write may be put back: not over a newer one, nor after a clear, nor where a mark of a newer delete may have been
-- removed, but over an older one that was put back before.
local cleared = restores and tonumber(redis.call('HGET', meta, 'cleared') or 0)
local function restorable(key, floor, from, number)
  if ARGV[7] ~= '=' .. epoch or cleared > floor then return false end
  local score = redis.call('ZSCORE', log, key)
  if not score then return forgotten <= math.max(floor, begun) end
  if tonumber(score) <= floor then return true end
  local e, o = string.match(redis.call('HGET', origins, key) or '', '^(%S+) (%d+)$')
  return e and (e < from or (e == from and tonumber(o) < tonumber(number)))
end

-- What HSET takes of each form, the values to be put in: growing a list for each item costs more than all the cutting.
local lists = {}
for f, form in ipairs(forms) do
  local list = { '\\255', 0 }
  for i = 1, #form, 2 do
    list[i + 2], list[i + 3] = form[i], ''
  end
  lists[f] = list
end

-- Cuts an item's values out of the payload, from the quote of the first name on, and writes the fields.
local sub = string.sub
local function write(item, pos, f)
  local form, list = forms[f], lists[f]
  local size = #form + 2
  list[2] = n
  for i = 2, #form, 2 do
    pos = pos + form[i]
    local length = shapes[at]
    list[i + 2] = sub(payload, pos, pos + length - 1)
    at, pos = at + 1, pos + length + 1
  end
  for from = 1, size, 4000 do
    redis.call('HSET', item, unpack(list, from, math.min(from + 3999, size)))
  end
end

for i = 6, #KEYS do
  -- The key is what follows the collection's base, as long as that of meta, and a colon.
  local item, ms = KEYS[i], shapes[at]
  local key = string.sub(item, #meta - 3)
  at = at + 1
  n = n + 1
  local takes = true
  if restores then
    takes = restorable(key, tonumber(ARGV[past]), ARGV[past + 1], ARGV[past + 2])
    if takes then back[#back + 1], back[#back + 2] = key, ARGV[past + 1] .. ' ' .. ARGV[past + 2] end
    past = past + 3
  end
  local start, form
  if ms >= 0 then
    start, form = shapes[at], shapes[at + 1]
    at = at + 2
  end
  if takes then
    local existed = redis.call('DEL', item)
    codes[#codes + 1] = existed
    local isWritten = true
    if ms >= 0 then
      write(item, start + 1, form)
      due[key] = ms > 0 and now + ms
      if ms > 0 then
        hasTtl = true
        redis.call('PEXPIREAT', item, now + ms)
      end
    else
      local score = due[key]
      if score == nil then score = tonumber(redis.call('ZSCORE', ttl, key) or 'inf') end
      if existed == 0 and score and score > 0 and score <= now then codes[#codes] = 'x' end
      -- What this epoch knows to be gone stays as it is. Else a mark is left, even where nothing was found: after a loss,
      -- or an eviction, a replica may be about to put the item back, also over a mark that was put back itself.
      local isNew = due[key] ~= nil or tonumber(redis.call('ZSCORE', log, key) or 0) > begun
        and not (putBack and redis.call('HGET', origins, key))
      if existed == 1 or restores or not isNew or score and score > now then
        due[key], hasTtl = -now, true
      else
        isWritten = false
        void[#void + 1] = i - 6
      end
    end
    if isWritten then
      logged[#logged + 1] = n
      logged[#logged + 1] = key
    end
  else
    codes[#codes + 1] = 'r'
    void[#void + 1] = i - 6
    if form then at = at + #forms[form] / 2 end
  end
end

-- Where nothing could be put back, there is nothing to tell.
if restores and #logged == 0 then n = head end
local timed, timeless, written = {}, {}, {}
if hasTtl or timedBefore > 0 then
  for key, at in pairs(due) do
    if at then
      timed[#timed + 1] = at
      timed[#timed + 1] = key
    else
      timeless[#timeless + 1] = key
    end
  end
end
if putBack then
  for key in pairs(due) do written[#written + 1] = key end
end
each4000('ZADD', log, logged)
each4000('ZADD', ttl, timed)
each4000('ZREM', ttl, timeless)
if restores then each4000('HSET', origins, back) elseif putBack then each4000('HDEL', origins, written) end
${closing}
local reply = epoch .. ' ' .. (head + 1) .. ' ' .. table.concat(codes)
if n > head then
  redis.call('SET', writer, sequence .. ' ' .. reply .. earlier, 'PX', remember)
  redis.call('PUBLISH', channel, 'memis1 ' .. epoch .. ' ' .. (head + 1) .. ' ' .. n .. ' ' .. table.concat(void, ',') .. '\\n' .. ARGV[6])
end
return reply
`)

/**
 * Deletes a part of all the items: those numbered above \`after\` up to \`upTo\`. Called until nothing is left, so that no
 * call takes long. It computes the names of the items from the index; all are in the collection's slot.
 * KEYS: meta, log, ttl, writer, origins.
 * ARGV: channel, sequence, id for a new epoch, retention ms, ms to remember the writer, how the names of items begin,
 * after, upTo (or -1: all there is), how many.
 * Returns 'epoch upTo after'; the part was the last if \`after\` is \`upTo\`.
 */
export const clearScript = script(`${opening}
local prefix, after, upTo, count = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local n, logged, timed, payload, void = head, {}, {}, {}, ''
local cleared, told = string.match(answer or '', '^clear (%d+) (%d+)$')
if cleared and last == sequence and upTo < 0 then
  -- Given again: it goes on where it was, and takes nothing that was written since.
  upTo, after = tonumber(cleared), tonumber(told)
elseif upTo < 0 then
  -- The clear has a number of its own: what was lost before it is not put back after it.
  upTo, n, payload, void = head, head + 1, { 'null' }, '0'
  redis.call('HSET', meta, 'cleared', n)
end
local page = redis.call('ZRANGEBYSCORE', log, '(' .. after, upTo, 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #page, 2 do
  local key = page[i]
  if redis.call('DEL', prefix .. key) == 1 then
    n = n + 1
    logged[#logged + 1] = n
    logged[#logged + 1] = key
    timed[#timed + 1] = -now
    timed[#timed + 1] = key
    payload[#payload + 1] = '[' .. cjson.encode(key) .. ']'
    if putBack then redis.call('HDEL', origins, key) end
  end
end
each4000('ZADD', log, logged)
each4000('ZADD', ttl, timed)
after = #page == 2 * count and page[#page] or upTo
${closing}
redis.call('SET', writer, sequence .. ' clear ' .. upTo .. ' ' .. after, 'PX', remember)
if n > head then
  redis.call('PUBLISH', channel, 'memis1 ' .. epoch .. ' ' .. (head + 1) .. ' ' .. n .. ' ' .. void .. '\\n[' .. table.concat(payload, ',') .. ']')
end
return epoch .. ' ' .. upTo .. ' ' .. after
`)

/**
 * Reads a part of the collection in the order of the numbers. It computes the names of the items from the index; all are
 * in the collection's slot.
 * KEYS: meta, log, ttl, origins.
 * ARGV: after which number, up to which number to leave out what is gone, how many keys, how many bytes about, how the
 * names of items begin.
 * Returns layout, epochs, head, forgotten, up to which number this part reaches, '1' if the server is another one than that of
 * the last write or has lost a part of this bookkeeping, then, as JSON, for each key a list: key, number, epoch and number of its origin
 * ('' where it was not put back), and 'd' (deleted), 'e' (expired), 'l' (lost: evicted, or deleted by hand), 'b' (not a hash of
 * memis), or ms left (-1 for no expiry) and a list: field, value, …, of which the first two are memis's own.
 */
export const readScript = script(`#!lua flags=no-writes
local meta, log, ttl, origins = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local after, present, count, most, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

local known = redis.call('HMGET', meta, 'layout', 'epochs', 'head', 'forgotten', 'server', 'cards')
local putBack = redis.call('HLEN', origins) > 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = known[3] or '0'
if not tonumber(head) then head = redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2] or '0' end
local page = redis.call('ZRANGEBYSCORE', log, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
-- Without a log all marks have gone.
local logged = redis.call('ZCARD', log)
local forgotten = logged == 0 and head or tonumber(known[4] or '0') and (known[4] or '0') or head
${identity}
${intactness}
local intact = known[5] == server and isIntact(known[6], logged, redis.call('ZCARD', ttl), now)
local reply = { known[1] or '1', known[2] or '', head, forgotten, head, intact and '0' or '1' }
if #page == 2 * count and tonumber(page[#page]) < tonumber(head) then reply[5] = page[#page] end
local bytes, entries = 0, {}
for i = 1, #page, 2 do
  local key, n = page[i], page[i + 1]
  if tonumber(n) > tonumber(head) then n = head end -- none of memis's
  local hash = redis.pcall('HGETALL', prefix .. key)
  local entry = { key, n, putBack and redis.call('HMGET', origins, key)[1] or '' }
  if hash.err then
    if not string.find(hash.err, 'WRONGTYPE') then return hash end
    entry[4] = 'b'
  elseif #hash == 0 then
    local due = tonumber(redis.call('ZSCORE', ttl, key) or 'inf')
    if due > now then
      entry[4] = 'l'
    elseif tonumber(n) > present then
      entry[4] = due > 0 and 'e' or 'd'
    end
  else
    -- The list goes out as it came, since copying it field by field would cost more than all else; the field of memis's own first,
    -- where it stands by itself in all but large hashes.
    local own = 1
    while own < #hash and hash[own] ~= '\\255' do own = own + 2 end
    if own > #hash then
      entry[4] = 'b'
    else
      hash[1], hash[2], hash[own], hash[own + 1] = hash[own], hash[own + 1], hash[1], hash[2]
      entry[4], entry[5] = redis.call('PTTL', prefix .. key), hash
      for f = 3, #hash do bytes = bytes + #hash[f] end
    end
  end
  if entry[4] then entries[#entries + 1] = entry end
  bytes = bytes + #key + 100
  if bytes > most and i + 1 < #page then
    reply[5] = n
    break
  end
end
-- In one text: as a reply of many small strings it would cost a fifth more here, and a third more where it is read.
reply[7] = #entries > 0 and cjson.encode(entries) or '[]'
return reply
`)

/**
 * The audit: one small request for all collections of a client.
 * KEYS: meta, log and ttl of each. ARGV: retention ms, then for each, 'epoch head' as the replica has it.
 * Returns, for each that differs or has marks to remove, its index counted from 0, its epoch ('' where a part of the
 * bookkeeping is lost), its head, and 1 if there are marks to remove.
 */
export const auditScript = script(`#!lua flags=no-writes
local reply = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local old = now - tonumber(ARGV[1])
${intactness}
for i = 1, #KEYS, 3 do
  local meta, log, ttl, index = KEYS[i], KEYS[i + 1], KEYS[i + 2], (i - 1) / 3
  local known = redis.call('HMGET', meta, 'epochs', 'head', 'cards')
  local epoch = string.match(known[1] or '', '([^%s:]+):%d+$') or ''
  if not isIntact(known[3], redis.call('ZCARD', log), redis.call('ZCARD', ttl), now) then epoch = '' end
  local head = known[2] or '0'
  local overdue = redis.call('ZCOUNT', ttl, '(0', old) + redis.call('ZCOUNT', ttl, -old, '(0') > 0
  if overdue or ARGV[index + 2] ~= epoch .. ' ' .. head then
    reply[#reply + 1] = { index, epoch, head, overdue and 1 or 0 }
  end
end
return reply
`)

/**
 * Looks for items that the server has evicted, a part of a collection at a time.
 * KEYS: log, ttl. ARGV: after which number, how many keys, how the names of items begin.
 * Returns up to which number it has looked, 0 after the last part, and the keys whose items are missing.
 */
export const scrubScript = script(`#!lua flags=no-writes
local log, ttl, after, count, prefix = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local page, missing = redis.call('ZRANGEBYSCORE', log, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count), {}
for i = 1, #page, 2 do
  if redis.call('PTTL', prefix .. page[i]) == -2 and tonumber(redis.call('ZSCORE', ttl, page[i]) or 'inf') > now then
    missing[#missing + 1] = page[i]
  end
end
return { #page == 2 * count and tonumber(page[#page]) or 0, missing }
`)
