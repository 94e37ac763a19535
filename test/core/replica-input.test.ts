/** What a store should not tell (H1). */
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Entry } from '../../src/core/transport'
import { entry, tombstone } from '../support/fake-transport'
import { liveWith } from '../support/replica-bench'

const test = suite('replica, input')

const good = entry('a', 9, { v: 9 })

/** Each with what is wrong about it. */
const bad: Record<string, readonly unknown[]> = {
  'an entry': [null, undefined, 'set', 1, []],
  'a key': [undefined, null, '', 1, {}, [], 'x'.repeat(257), '\ud800'].map((key) => ({ ...good, key })),
  'an epoch': [undefined, null, 1, {}, ''].map((epoch) => ({ ...good, epoch })),
  'a number': [undefined, null, NaN, Infinity, -1, 0, 1.5, '9', 2 ** 53, 9n].map((n) => ({ ...good, n })),
  'a remaining time': [undefined, NaN, Infinity, -Infinity, '5', {}, true].map((leftMs) => ({ ...good, leftMs })),
  'a cause': [null, 'ready', 'set', '__proto__', 1, {}].map((cause) => ({ ...tombstone('a', 9), cause })),
  'a place': [null, 9, 'e1.9', {}, { epoch: 'e1' }, { epoch: 'e1', n: 1.5 }].map((place) => ({ ...good, place })),
}

for (const [what, entries] of Object.entries(bad)) {
  test(`H1 an entry without ${what} that is well-formed is reported and passed over; the next one counts`, () => {
    const bench = liveWith({ a: { v: 1 } })
    for (const each of entries) {
      bench.tell(each as Entry)
      assert.equal(
        bench.reports
          .splice(0)
          .map(({ code }) => code)
          .join(),
        'UNDECODABLE',
        JSON.stringify(each, show),
      )
      assert.deepEqual(bench.events(), [])
    }
    bench.tell(entry('a', 2, { v: 2 }))
    assert.deepEqual(bench.contents, { a: { v: 2 } })
  })
}

const show = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)

test('H1 a bad entry of a transaction does not harm the others', () => {
  const bench = liveWith({})
  bench.tellAtOnce(entry('a', 1, {}), null as never, entry('b', 2, {}))
  assert.deepEqual(Object.keys(bench.contents), ['a', 'b'])
  assert.equal(bench.reports.length, 1)
})

test('H1 something that is not an item is reported and absent: what was there before it is gone', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)
  for (const item of [undefined, 1, 'text', true, [], [{}], deep]) {
    const bench = liveWith({ a: { v: 1 } })
    bench.tell(entry('a', 2, item), entry('b', 3, item))
    bench.live(3)
    assert.deepEqual(bench.events(), ['delete a'])
    assert.deepEqual(bench.contents, {})
    assert.deepEqual(
      bench.reports.map(({ code, message }) => [code, message]),
      [
        ['UNDECODABLE', '"a": the store holds something that is not an item'],
        ['UNDECODABLE', '"b": the store holds something that is not an item'],
      ],
    )
    bench.tell(entry('a', 4, { v: 4 }))
    assert.deepEqual(bench.contents, { a: { v: 4 } })
  }
})

test('H1 something that is not an item is absent in a snapshot, too', () => {
  const bench = liveWith({ a: { v: 1 } })
  bench.begin('snapshot')
  bench.tell(entry('a', 5, 'text'))
  bench.live(5)
  assert.deepEqual(bench.events(), ['delete a'])
})

test('H1 __proto__ is a key and a field like any other, and no prototype changes', () => {
  const bench = liveWith({})
  const item = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  bench.tell(entry('__proto__', 1, item), entry('constructor', 2, {}), entry('hasOwnProperty', 3, {}, { leftMs: 10 }))
  assert.deepEqual(bench.events(), ['set __proto__', 'set constructor', 'set hasOwnProperty'])
  assert.equal(bench.get('__proto__'), item)
  assert.equal(bench.get('toString'), undefined)
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  bench.tell(tombstone('__proto__', 4))
  assert.deepEqual(bench.events(), ['delete __proto__'])
})

test('H1 a listener that hears of a fault may unsubscribe', () => {
  const bench = liveWith({ a: {} })
  bench.reported = () => bench.replica.discard()
  bench.tell(entry('a', 2, 'text'), entry('b', 3, 'text'), entry('c', 4, {}))
  assert.equal(bench.reports.length, 1)
  assert.deepEqual(bench.events(), ['delete a'])
  assert.deepEqual(bench.contents, {})
})

test.run()
