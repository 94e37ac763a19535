/** The parts of the transport that do no I/O: how deliveries are read, what belongs together, and how a stream is recognised. */
import assert from 'node:assert'
import { suite } from 'uvu'
import type { Entry } from '../../src/core/transport'
import { Attempts } from '../../src/transports/nats/attempts'
import { decodeDelivery, decodeHeaders, entryOf, type Facts, readHeaders } from '../../src/transports/nats/decode'
import { beganAt, decodeEpochs, epochOf, fork, isCredible, nextEpoch, rename } from '../../src/transports/nats/epochs'
import { Groups } from '../../src/transports/nats/groups'
import { Room } from '../../src/transports/nats/room'
import { Trail } from '../../src/transports/nats/trail'

const test = suite('parts, NATS')

const names = '.KV_test.consumer.1.'

test('the reply subject of a delivery, in both forms', () => {
  const expected = { n: 12, count: 3, time: 1700000000000.5, pending: 4 }
  assert.deepStrictEqual(decodeDelivery('$JS.ACK.KV_test.consumer.1.12.3.1700000000000500000.4', names), expected)
  const long = '$JS.ACK.hub.ACCOUNT.KV_test.consumer.1.12.3.1700000000000500000.4'
  assert.deepStrictEqual(decodeDelivery(long, names), expected)
  assert.deepStrictEqual(decodeDelivery(`${long}.token`, names), expected)
})

test('a reply subject that names another stream or consumer, or is malformed, is none of a delivery', () => {
  for (const reply of [
    '',
    'KV_test.consumer.1.12.3.17.4',
    '$JS.ACK.KV_other.consumer.1.12.3.17.4',
    '$JS.ACK.KV_test.other.1.12.3.17.4',
    '$JS.ACK.KV_test.consumer.2.12.3.17.4',
    '$JS.FC.KV_test.consumer.1.12.3.17.4',
    '$JS.ACKS.KV_test.consumer.1.12.3.17.4',
    '$JS.ACK.one.KV_test.consumer.1.12.3.17.4',
    '$JS.ACK.one.two.three.KV_test.consumer.1.12.3.17.4',
    '$JS.ACK.KV_other.mine.1.2.3.4.5.KV_test.consumer.1.12.3.17.4',
    'x$JS.ACK.KV_test.consumer.1.12.3.17.4',
    '$JS.ACK.KV_test.consumer.1.',
    '$JS.ACK.KV_test.consumer.1.12',
    '$JS.ACK.KV_test.consumer.1.0.3.17.4',
    '$JS.ACK.KV_test.consumer.1.-1.3.17.4',
    `$JS.ACK.KV_test.consumer.1.${'9'.repeat(30)}.3.17.4`,
    '$JS.ACK.KV_test.consumer.1.one.two.three.four',
  ]) {
    assert.strictEqual(decodeDelivery(reply, names), undefined, reply)
  }
})

test('headers mean the same as they are delivered and as they are stored', () => {
  const lines = ['Nats-Msg-Id: a.1.0', 'KV-Operation: PURGE', 'Memis-Gone: expire', 'Memis-TTL: 1500', 'Nats-TTL: 2s']
  const pairs = lines.map((line): [string, string[]] => [
    line.split(': ')[0] as string,
    [line.split(': ')[1] as string],
  ])
  const stored = Buffer.from(`NATS/1.0\r\n${lines.join('\r\n')}\r\n\r\n`).toString('base64')
  for (const facts of [readHeaders(pairs), readHeaders(pairs.toReversed()), decodeHeaders(stored)]) {
    assert.deepStrictEqual([facts.id, facts.gone, facts.ttlMs], ['a.1.0', 'expire', 1500])
  }
  assert.strictEqual(readHeaders([['Nats-TTL', ['1m0.5s']]]).ttlMs, 60_500)
})

const history = [
  { id: '2025-01-01T00:00:00.000000000Z', floor: 0 },
  { id: '2025-01-02T00:00:00.000000000Z~abcd', floor: 10 },
]
const [first, second] = history.map(({ id }) => id) as [string, string]

test('a revision in a header counts only if it is older than the place', () => {
  const at = (n: number, revision: string) => {
    const facts = readHeaders([['Memis-Revision', [revision]]])
    const { epoch, n: number, place } = entryOf('k', { n, age: 0, facts, text: () => '{}' }, history, Infinity)
    return [epoch, number, place?.n]
  }
  assert.deepStrictEqual(at(20, `${first}.5`), [first, 5, 20])
  assert.deepStrictEqual(at(20, `${second}.15`), [second, 15, 20])
  for (const lie of [`${second}.20`, `${second}.21`, '9999.1', `zzz.${'9'.repeat(15)}`, 'rubbish', `${first}.-1`]) {
    assert.deepStrictEqual(at(20, lie), [second, 20, undefined], lie)
  }
})

test('an item whose time is over is a tombstone with its own revision', () => {
  const facts = readHeaders([
    ['Memis-Revision', [`${first}.5`]],
    ['Memis-TTL', ['100']],
  ])
  const entry = entryOf('k', { n: 20, age: 100, facts, text: () => '{}' }, history, Infinity)
  assert.deepStrictEqual([entry.item, entry.cause, entry.epoch, entry.n], [null, 'expire', first, 5])
})

test('epochs sort by time; the next one sorts after any that is known, and names the time', () => {
  assert.strictEqual(epochOf('2025-01-01T00:00:00.5Z'), '2025-01-01T00:00:00.500000000Z')
  assert.strictEqual(epochOf('2025-01-01T00:00:00Z'), first)
  const now = Date.UTC(2025, 0, 3)
  assert.ok(nextEpoch(second, now) > second)
  assert.strictEqual(beganAt(nextEpoch(second, now)), now)
  for (const ahead of ['2025-01-03T20:00:00.000000000Z', '2025-01-03T20:00:00.999999999Z~zzzz~zzzz']) {
    assert.ok(nextEpoch(ahead, now) > ahead, nextEpoch(ahead, now))
    assert.ok(isCredible(ahead, now))
  }
  for (const id of [
    '',
    '~',
    'a b',
    '9999',
    '2025-01-04T00:00:00.001000000Z',
    '2025-01-01',
    `${first}${'~'.repeat(100)}`,
  ]) {
    assert.ok(!isCredible(id, now), id)
  }
})

test('the list of epochs: what was written is read, and nothing else', () => {
  const now = Date.UTC(2025, 0, 3)
  const forked = fork(history, 15, now)
  assert.deepStrictEqual(decodeEpochs(JSON.stringify(forked), now), forked)
  assert.deepStrictEqual(
    fork(history, 5, now).map(({ floor }) => floor),
    [0, 5, 5],
  )
  const renamed = rename(history, '2025-01-03T20:00:00.000000000Z', now)
  assert.deepStrictEqual([renamed.length, renamed[1]?.floor], [2, 10])
  assert.deepStrictEqual(decodeEpochs(JSON.stringify(renamed), now), renamed)
  for (const text of [
    '',
    '[]',
    '{}',
    'null',
    '[null]',
    '[1]',
    `[{"id":"${first}"}]`,
    `[{"id":"${first}","floor":-1}]`,
    `[{"id":"${first}","floor":0.5}]`,
    `[{"id":"${first}","floor":9007199254740993}]`,
    `[{"id":"${second}","floor":0},{"id":"${first}","floor":5}]`,
    `[{"id":"${first}","floor":5},{"id":"${second}","floor":4}]`,
    '[{"id":"9999-01-01T00:00:00.000000000Z","floor":0}]',
    JSON.stringify(Array.from({ length: 33 }, () => ({ id: first, floor: 0 }))),
  ]) {
    assert.strictEqual(decodeEpochs(text, now), undefined, text)
  }
})

const facts = (position = 0, size = 0) => ({ position, size }) as Facts
const entry = (n: number) => ({ n }) as Entry

/** Tells messages `[n, position, size, pending]`, and returns what was told as one; what was told alone is a number. */
function play(messages: readonly (readonly [n: number, position: number, size: number, pending: number])[]) {
  const told: (number | number[])[] = []
  const groups = new Groups((list) => void told.push(list.map(({ n }) => n)))
  for (const [n, position, size, pending] of messages) {
    if (!groups.add(entry(n), n, pending, facts(position, size))) told.push(n)
  }
  return { told, isEmpty: groups.isEmpty }
}

test('an atomic batch is told as one, between what comes before and after it', () => {
  const { told, isEmpty } = play([
    [5, 0, 0, 9],
    [8, 1, 3, 8],
    [9, 2, 3, 7],
    [10, 3, 3, 6],
    [11, 0, 0, 5],
    [13, 1, 1, 4],
  ])
  assert.deepStrictEqual([told, isEmpty], [[5, [8, 9, 10], 11, [13]], true])
})

test('a batch of which a part was replaced already is told with the replacement', () => {
  // The first one, one in the middle, the last one: each is among the messages that follow.
  assert.deepStrictEqual(
    play([
      [9, 2, 3, 3],
      [10, 3, 3, 2],
      [12, 0, 0, 1],
      [15, 0, 0, 0],
    ]).told,
    [[9, 10, 12, 15]],
  )
  assert.deepStrictEqual(
    play([
      [8, 1, 3, 3],
      [10, 3, 3, 1],
      [12, 0, 0, 0],
      [15, 0, 0, 0],
    ]).told,
    [[8, 10, 12], 15],
  )
  assert.deepStrictEqual(
    play([
      [8, 1, 3, 3],
      [9, 2, 3, 2],
      [12, 0, 0, 1],
      [15, 0, 0, 0],
      [16, 0, 0, 0],
    ]).told,
    [[8, 9, 12, 15], 16],
  )
  // Nothing is known to follow: it is complete as it is.
  assert.deepStrictEqual(
    play([
      [8, 1, 3, 1],
      [10, 3, 3, 0],
    ]).told,
    [[8, 10]],
  )
  // The replacement is a part of another batch.
  assert.deepStrictEqual(
    play([
      [8, 1, 2, 2],
      [12, 1, 2, 1],
      [13, 2, 2, 0],
    ]).told,
    [[8, 12, 13]],
  )
})

test('under steady writes, a torn batch waits for what was there when it was delivered, and no longer', () => {
  const later = Array.from({ length: 10 }, (_, i) => [20 + 2 * i, 0, 0, 5] as const)
  const { told } = play([[8, 1, 3, 4], [10, 3, 3, 3], ...later])
  assert.deepStrictEqual(told.slice(0, 2), [[8, 10, 20, 22, 24], 26])
})

const message = (seq: number, time: number, id = '') => ({
  seq,
  time: new Date(time).toISOString(),
  hdrs: Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${id}\r\n\r\n`).toString('base64'),
})

test('a stream is recognised by messages that were told, or acknowledged', async () => {
  const trail = new Trail()
  for (let n = 1; n <= 100; n++) trail.add({ n, time: n * 1000 })
  trail.add({ n: 101, id: 'own' })
  const floor = (head: number, stored: (n: number) => ReturnType<typeof message> | undefined) =>
    trail.floor(head, async (n) => stored(n))
  const whole = (n: number) => message(n, n * 1000, n === 101 ? 'own' : '')
  assert.strictEqual(await floor(101, whole), null, 'as it was')
  assert.strictEqual(await floor(150, (n) => (n > 60 ? undefined : whole(n))), null, 'much was replaced')
  assert.strictEqual(await floor(150, () => undefined), null, 'everything was replaced')
  assert.strictEqual(await floor(60, whole), 60, 'it lost its end')
  assert.strictEqual(await floor(150, (n) => (n === 101 ? message(n, 1, 'other') : whole(n))), 100, 'another message')
  const other = await floor(150, (n) => (n > 60 ? message(n, n * 1000 + 500_000) : whole(n)))
  assert.ok(other !== null && other <= 60 && other >= 1, `other messages from 61 on: ${other}`)
  assert.strictEqual(await floor(150, (n) => message(n, n * 1000 + 500_000)), 0, 'all are others')
})

test('attempts: a lower sequence is refused, the same one goes on, and silent writers are forgotten', () => {
  const attempts = new Attempts(1000, 0)
  const batch = (sequence: number) => ({ writer: 'w', sequence, writes: [{ kind: 'delete', key: 'k' } as const] })
  const second = attempts.begin('w', batch(2))
  assert.strictEqual(attempts.begin('w', batch(2)), second)
  assert.throws(() => attempts.begin('w', batch(1)), { code: 'STORE_REFUSED', stored: 'no' })
  attempts.begin('other', batch(1))
  const third = attempts.begin('w', batch(3))
  assert.strictEqual(attempts.isAbandoned('w', second), false, 'nothing of the later one was sent')
  third.sentAt = 1
  assert.deepStrictEqual([attempts.isAbandoned('w', second), attempts.isAbandoned('w', third)], [true, false])
  attempts.forgetOld(1000)
  assert.throws(() => attempts.begin('w', batch(1)), { code: 'STORE_REFUSED' }, 'for at least so long')
  attempts.forgetOld(2000)
  attempts.begin('w', batch(1))
})

test('room: in order, as much as fits, and what is too much goes alone', async () => {
  const room = new Room(10)
  const log: string[] = []
  const call = (name: string, count: number) => {
    let end = () => {}
    const done = room.with(count, () => {
      log.push(name)
      return new Promise<void>((resolve) => {
        end = resolve
      })
    })
    return { end: () => end(), done }
  }
  const a = call('a', 6)
  const b = call('b', 4)
  const c = call('c', 100)
  const d = call('d', 1)
  await null
  assert.deepStrictEqual(log, ['a', 'b'])
  a.end()
  await a.done
  b.end()
  await b.done
  await null
  assert.deepStrictEqual(log, ['a', 'b', 'c'])
  c.end()
  await c.done
  await null
  d.end()
  await d.done
  assert.deepStrictEqual([log.join(''), room.isEmpty], ['abcd', true])
})

test.run()
