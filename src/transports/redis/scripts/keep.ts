/** Epochs, and tombstones that are due. */
import { basics, names } from './common'
import { lua, script } from './script'
import { beginning, closing, opening } from './writing'

/**
 * Takes care of a collection: begins an epoch if one is due, and removes tombstones that are due.
 * KEYS: meta, log, ttl, revs. ARGV: as of a write up to checking permissions; an epoch that the current one must sort after, or ''; the ids of the epochs that the
 * caller knows, as the store once told them.
 */
export const keepScript = script(lua`#!lua flags=allow-oom
${basics}${names}
${opening}
if ARGV[7] ~= '' and not beganAt(ARGV[7]) and not (isKnowable(ARGV[7]) and ARGV[7] < format('%011x', now)) then
  return redis.error_reply('MEMISEPOCH the epoch is malformed, or too far ahead of the clock of the store')
end
${beginning}${closing}
if ARGV[7] ~= '' and epoch < ARGV[7] then
  if find(' ' .. ARGV[8] .. ' ', ' ' .. epoch .. ' ', 1, true) then
    -- The store went back to an older copy of the history that the caller knows.
    begin(head, ARGV[7])
  else
    -- The store was emptied, its clock is behind, and what it has is newer than what was lost.
    begin(floor, ARGV[7], true)
  end
end
close(head, 2000)
return { news() }
`)
