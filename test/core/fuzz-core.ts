/** What the core itself decodes. */
import assert from 'node:assert'
import { decodeItem, equalItems } from '../../src/core/codec'
import type { Change } from '../../src/core/contents'
import { decodeRevision, encodeRevision } from '../../src/core/history'
import { isKey } from '../../src/core/names'
import { Replica } from '../../src/core/replica'
import type { Entry } from '../../src/core/transport'
import type { Random } from '../simulation/random'
import { FakeClock } from '../support/fake-clock'
import { entry } from '../support/fake-transport'
import { assertItem, assertSame, deep, junk, mutate, parsed, type Target } from './fuzz'

const item: Target = {
  name: 'an item as the store has it',
  make(random) {
    if (random.chance(0.001)) return deep(random, 30_000)
    return random.chance(0.3) ? parsed(mutate(random, '{"a":{"b":[1,{"c":null}]},"d":"e"}')) : junk(random)
  },
  decode(input) {
    const found = decodeItem(input)
    if (found === undefined) return
    assertItem(found)
    assert.ok(equalItems(found, found) && equalItems(found, JSON.parse(JSON.stringify(found))))
  },
  good() {
    const item = decodeItem(JSON.parse('{"__proto__":{"x":[1]}}'))
    assertItem(item)
    assertSame(JSON.stringify(item), '{"__proto__":{"x":[1]}}')
  },
}

const revision: Target = {
  name: 'a revision',
  make: (random) => (random.chance(0.1) ? junk(random) : mutate(random, '2026-01-02T03:04:05.678Z-ab_c.1234')),
  decode(input) {
    const found = decodeRevision(input)
    if (found === undefined) return
    assert.ok(Number.isSafeInteger(found.n) && found.n >= 0)
    assert.ok(/^[\w:.~-]{1,100}$/.test(found.epoch))
    assertSame(encodeRevision(found), input)
  },
  good: () => assertSame(decodeRevision('a.b.7'), { epoch: 'a.b', n: 7 }),
}

const keys = ['coldplay', 'muse', '__proto__', 'a b', '{}:%', '🎉']

/** An entry of which each part may be anything. */
function strange(random: Random, epoch: string): unknown {
  if (random.chance(0.05)) return junk(random)
  const part = (good: unknown) => (random.chance(0.1) ? random.pick([junk(random), undefined, Number.NaN]) : good)
  const revision = () => ({
    epoch: part(random.pick([epoch, epoch, 'e000001', 'zzz', '__proto__'])),
    n: part(1 + random.int(1e6)),
  })
  return {
    key: part(random.pick(keys)),
    ...revision(),
    item: part(random.pick([null, { n: random.int(5) }, { n: random.int(5) }])),
    leftMs: part(random.pick([null, 0, -5, 1, 50, 1e12, 1e300])),
    cause: part(random.pick([undefined, 'delete', 'expire'])),
    place: part(random.chance(0.3) ? revision() : undefined),
    isLost: part(random.chance(0.05) ? true : undefined),
  }
}

/** A replica that is told junk; its events are replayed, and must come to what it holds. */
function replica(): Target {
  const clock = new FakeClock()
  let shadow = new Map<string, unknown>()
  let reports = 0
  let sessions = 0
  const listener = {
    changed({ kind, key, item }: Change<object>) {
      if (kind === 'set') shadow.set(key, item)
      else
        assert.ok(['delete', 'expire'].includes(kind) && shadow.delete(key), `${kind} of ${key}, which was not there`)
    },
    report: () => void reports++,
  }
  let replica = new Replica<object>(clock, 1000, listener)
  const epoch = () => `e${String(sessions).padStart(6, '0')}`
  return {
    name: 'the entries that a replica is told',
    make: (random) => ({
      list: Array.from({ length: 1 + random.int(3) }, () => strange(random, epoch())),
      isAtomic: random.chance(0.2),
    }),
    decode(input) {
      const { list, isAtomic } = input as { list: readonly { key?: unknown }[]; isAtomic: boolean }
      const before = reports
      replica.entries(list as Entry[], isAtomic)
      for (const each of list) {
        const key = each?.key
        if (isKey(key) && shadow.has(key)) assertItem(shadow.get(key))
        if (!isKey(key)) assert.ok(reports > before, 'an entry without a key was not reported')
      }
      assert.strictEqual(replica.items.size, shadow.size)
      clock.advance(1)
    },
    good() {
      // Another history: nothing that was told belongs to it.
      sessions++
      if (sessions % 50 === 0) {
        replica.discard()
        shadow = new Map()
        replica = new Replica<object>(clock, 1000, listener)
      }
      const good = [
        entry('good', `${epoch()}.1`, { sessions }),
        entry('short', `${epoch()}.2`, { sessions }, { leftMs: 60_000 }),
      ]
      const isSnapshotEnough = replica.begin('snapshot', [{ id: epoch(), floor: 0 }], sessions % 2 === 0)
      assert.ok(isSnapshotEnough)
      replica.entries(good)
      replica.live({ epoch: epoch(), n: 2 })
      for (const key of replica.lost.keys) {
        const lost = replica.restorable(key)
        const current = good.find((each) => each.key === key) ?? null
        if (lost !== undefined) replica.merged(lost, { current })
      }
      assertSame(replica.lost.keys, [])
      assertSame([...replica.items].sort(), [
        ['good', { sessions }],
        ['short', { sessions }],
      ])
      assertSame(shadow.size, 2)
      assert.ok(clock.pending <= 1, `${clock.pending} timers`)
    },
  }
}

export const coreTargets: readonly (() => Target)[] = [() => item, () => revision, replica]
