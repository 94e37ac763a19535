/** Deliberate faults: each is a replacement in one source file, and must be caught by the simulation. */
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(__dirname, '../..')

export interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The source with the fault in it. */
export function mutated({ file, from, to }: Mutant): string {
  const source = readFileSync(join(root, file), 'utf8')
  assert.ok(source.split(from).length === 2, `${file} does not have exactly once: ${from}`)
  return source.replace(from, () => to)
}

const replica = 'src/core/replica.ts'
const writer = 'src/core/writer.ts'
const lane = 'src/core/lane.ts'
const subscription = 'src/core/subscription.ts'
const collection = 'src/core/collection.ts'
const session = 'src/transports/memory/session.ts'
const store = 'src/transports/memory/store.ts'
const transport = 'src/transports/memory/transport.ts'

const mutant = (name: string, file: string, from: string, to: string): Mutant => ({ name, file, from, to })

export const mutants: readonly Mutant[] = [
  mutant('no check for gaps', session, 'if (first > this.#position + 1)', 'if (first < 0)'),
  mutant('no audit', transport, 'for (const session of [...this.#sessions]) session.audit()', ''),
  mutant(
    'news of another epoch are taken',
    session,
    'if (epoch !== this.#epoch) return this.end',
    'if (false) return this.end',
  ),
  mutant('a late echo counts', replica, 'if (n > this.#known(key)) this.#accept', 'this.#accept'),
  mutant('a late answer counts', replica, "if (!later && (write.kind === 'set' ? n <= known : n < known)) return", ''),
  mutant(
    'marks of what is gone are pruned at once',
    replica,
    'if (isCurrent && (oldest.mark.n > known || isYoung)) break',
    '',
  ),
  mutant(
    'marks are pruned though older echoes may come',
    replica,
    'if (isCurrent && (oldest.mark.n > known || isYoung)) break',
    'if (isCurrent && isYoung) break',
  ),
  mutant(
    'what is over the position hides in a delta',
    replica,
    'this.#incomplete && this.position',
    'false && this.position',
  ),
  mutant(
    'a set is told after the listener of its expire unsubscribed',
    replica,
    'if (this.#discarded) return\n    const previous',
    'const previous',
  ),
  mutant(
    'delayed news keep a closed client alive',
    transport,
    'for (const timer of this.#delayed) this.clock.clearTimeout(timer)',
    '',
  ),
  mutant(
    'the timer of the audit stays',
    transport,
    'if (this.#audit !== undefined) this.clock.clearTimeout(this.#audit)',
    '',
  ),
  mutant(
    'the floor is not kept',
    replica,
    'this.#floor = Math.max(this.#floor, n)\n    this.position',
    'this.position',
  ),
  mutant('another epoch is no fork', replica, 'this.#fork(epoch, common)\n', 'this.#epoch = epoch\n'),
  mutant(
    'numbers of what was lost are kept',
    replica,
    'if (own === undefined && n <= common) return n',
    'if (own === undefined) return n',
  ),
  mutant('an own write ahead is forgotten at the fork', replica, 'if (own?.epoch === epoch) return own.n', ''),
  mutant(
    'an answer of an epoch that was left counts',
    replica,
    'if (this.#left.has(epoch) || (this.#epoch !== null && epoch < this.#epoch)) return false\n',
    '',
  ),
  mutant(
    'nothing is in doubt',
    replica,
    'this.doubts.raise(key, origin, own === undefined ? common : 0, own !== undefined)',
    'return 0',
  ),
  mutant(
    'what the store has from before its loss is told',
    replica,
    'if (this.doubts.overrules(change, this.#clock.now())) return\n',
    '',
  ),
  mutant(
    'what is in doubt is dropped after whole contents',
    replica,
    'if (held === undefined || this.doubts.get(key) !== undefined || numberOf(held) > n) continue',
    'if (held === undefined || numberOf(held) > n) continue',
  ),
  mutant('what was not told stays', replica, 'this.#dropUntold(this.#untold, n)\n', ''),
  mutant(
    'what was not told is dropped, however new',
    replica,
    'this.doubts.get(key) !== undefined || numberOf(held) > n) continue',
    'this.doubts.get(key) !== undefined) continue',
  ),
  mutant('expiry is early', replica, 'now + leftMs, now)', 'now + leftMs - 3, now)'),
  mutant(
    'the old deadline stays',
    replica,
    'this.#due.put(timed, now + leftMs, now)',
    'if (timed.slot === -1) this.#due.put(timed, now + leftMs, now)',
  ),
  mutant(
    'a ttl outlives a set without one',
    replica,
    'if (held instanceof Timed) this.#due.remove(held)\n      this',
    'this',
  ),
  mutant('the timer of expiry is not set again', replica, 'if (!this.#discarded) this.#arm()', ''),
  mutant(
    'the timer of expiry stays',
    replica,
    'if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)\n  }',
    '}',
  ),
  mutant('equal contents are told', replica, 'if (!same) this.#tell', 'this.#tell'),
  mutant('equal contents give another object', replica, 'if (!same) this.items', 'this.items'),
  mutant('previous is the item itself', replica, 'item, previous, cause)', 'item, item, cause)'),
  mutant(
    'the event comes before the change',
    replica,
    'this.items.delete(key)\n    this.numbers.delete(key)\n    this.#tell(event, key, n, last, last, cause)',
    'this.#tell(event, key, n, last, last, cause)\n    this.items.delete(key)\n    this.numbers.delete(key)',
  ),
  mutant('an unsubscribed replica goes on', replica, 'this.#discarded = true\n', ''),
  mutant('a clear drops what is newer', replica, 'if (newer && (ahead || !this.#ahead.delete(key))) continue\n', ''),
  mutant('own writes wait for the echo', collection, 'this.#subscription?.written(write, epoch, outcome)', ''),
  mutant('stale is not told', subscription, 'if (wasLive) this.#listener.stale(error)', 'if (wasLive) return'),
  mutant('ready comes at every proof', subscription, 'if (caughtUp) {', 'if (true) {'),
  mutant(
    'ready does not wait for what is in doubt',
    subscription,
    'this.replica.doubts.size > 0 || this.#session',
    'this.#session',
  ),
  mutant(
    'a session that failed is the last',
    subscription,
    'if (this.#up) this.#beginAfter',
    'if (false) this.#beginAfter',
  ),
  mutant('superseded callers are forgotten', lane, 'older.callers.push(...callers)', 'older.callers = callers'),
  mutant('what was sent may be superseded', lane, 'if (given) this.#end(flight)', 'this.#end(flight)'),
  mutant(
    'a batch goes again with a new number',
    lane,
    'first === flight ? batch : {',
    'first === flight ? { ...batch, sequence: ++this.#sequence } : {',
  ),
  mutant('a batch is sent once only', lane, 'this.#retry === undefined) this.#send(first)', 'false) this.#send(first)'),
  mutant('a second batch does not say what it follows', lane, 'follows: first.batch.sequence', ''),
  mutant('a write under way is refused for certain', lane, "overdue(pending, 'unknown')", "overdue(pending, 'no')"),
  mutant(
    'a retry that is refused is refused for certain',
    lane,
    "flight.uncertain ? 'unknown' : (",
    "flight.uncertain && false ? 'unknown' : (",
  ),
  mutant(
    'room for waiting writes is not given back',
    lane,
    'for (const pending of queue) this.#writer.admit(-1, -pending.bytes)',
    '',
  ),
  mutant('writes wait without bound', writer, 'count > 0 && this.#waiting + count > maxPending', 'false'),
  mutant('the store takes a batch before the one that it follows', store, 'last?.sequence !== follows', 'false'),
  mutant('the store forgets the batch that another follows', store, '[last, last?.former]', '[last]'),
  mutant('the store has no fence', store, 'last !== undefined && last.sequence > sequence', 'false'),
  mutant(
    'the store takes a batch twice',
    store,
    'if (done !== undefined) return { written: repeated(done.written, writes, this.#clock.now() - done.at) }',
    '',
  ),
  mutant(
    'the store reverses a batch',
    store,
    'const outcomes = writes.map((write) => this.#take(write, changes, retention))',
    'const outcomes = [...writes].reverse().map((write) => this.#take(write, changes, retention)).reverse()',
  ),
  mutant(
    'the store forgets deletes',
    store,
    'else if (from !== null && n > (after ?? common)) changes.push({ kind: gone, key, n, origin })',
    '',
  ),
  mutant('the store does not know that it forgot', store, 'this.#forgotten = Math.max(this.#forgotten, due.n)', ''),
  mutant('the store puts back without condition', store, 'isOlder(before, restores))', 'true)'),
  mutant('the store puts back out of another epoch', store, 'restores.epoch !== this.at.epoch || ', ''),
  mutant('the store puts back over a clear', store, ' || this.#cleared > restores.floor', ''),
  mutant(
    'the store keeps the old deadline',
    store,
    'ttlMs === null ? Infinity : now + ttlMs',
    'ttlMs === null ? (before?.deadline ?? Infinity) : now + ttlMs',
  ),
  mutant(
    'a rollback begins no epoch',
    store,
    'this.#epochs = [...epochs, { id: this.#newEpoch(), floor: head }]',
    'this.#epochs = epochs.length > 0 ? [...epochs] : this.#epochs',
  ),
]
