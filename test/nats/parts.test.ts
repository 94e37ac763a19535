/** The parts of the transport that do no I/O: how deliveries are read, what belongs together, and how a stream is recognised. */
import assert from 'node:assert'
import { suite } from 'uvu'
import type { Entry } from '../../src/core/transport'
import { Attempts } from '../../src/transports/nats/attempts'
import { decodeDelivery, decodeHeaders, entryOf, type Facts, readHeaders } from '../../src/transports/nats/decode'
import { beganAt, decodeEpochs, epochOf, fork, isCredible, nextEpoch, rename } from '../../src/transports/nats/epochs'
import { Groups } from '../../src/transports/nats/groups'
import { Room } from '../../src/transports/nats/room'
import { lastingSubject, Trail } from '../../src/transports/nats/trail'
import type { Question } from '../../src/transports/nats/wire'

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
const stream = { history, maxAge: Infinity }
const now = Date.UTC(2025, 0, 3)
const [first, second] = history.map(({ id }) => id) as [string, string]

test('a revision in a header counts only if it is older than the place', () => {
  const at = (n: number, revision: string) => {
    const facts = readHeaders([['Memis-Revision', [revision]]])
    const { epoch, n: number, place } = entryOf('k', { n, time: now, facts, text: () => '{}' }, stream, now)
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
  const entry = entryOf('k', { n: 20, time: now - 100, facts, text: () => '{}' }, stream, now)
  assert.deepStrictEqual([entry.item, entry.cause, entry.epoch, entry.n], [null, 'expire', first, 5])
})

test('a marker of the server has the revision of what expired, if that was there when the epoch began', () => {
  const began = Date.UTC(2025, 0, 2)
  const at = (n: number, time: number, header = 'Nats-Marker-Reason') => {
    const facts = readHeaders([[header, ['MaxAge']]])
    const { epoch, n: number, place } = entryOf('k', { n, time, facts, text: () => '' }, stream, now)
    return [epoch, number, place?.n]
  }
  // Before another epoch was begun, and shortly after.
  for (const time of [began - 100, began + 3900]) assert.deepStrictEqual(at(20, time), [first, 10, 20])
  assert.deepStrictEqual(at(20, began + 4000), [second, 20, undefined], 'later, it may be of any version')
  assert.deepStrictEqual(at(5, began - 100), [first, 5, undefined], 'nothing was lost before')
  assert.deepStrictEqual(at(20, began, 'KV-Operation'), [second, 20, undefined], 'a delete')
})

test('epochs sort by time; the next one sorts after any that is known, and names the time', () => {
  assert.strictEqual(epochOf('2025-01-01T00:00:00.5Z'), '2025-01-01T00:00:00.500000000Z')
  assert.strictEqual(epochOf('2025-01-01T00:00:00Z'), first)
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
const entry = (n: number, key = String(n)) => ({ n, key }) as Entry

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

test('a key that a torn batch and its replacement both name is told once, in its last state', () => {
  const told: readonly Entry[][] = []
  const groups = new Groups((list) => void (told as Entry[][]).push([...list]))
  // The first of two was replaced; the second is, among what was known to follow.
  groups.add(entry(9, 'b'), 9, 2, facts(2, 2))
  groups.add(entry(12, 'b'), 12, 1, facts())
  groups.add(entry(15, 'a'), 15, 0, facts())
  assert.deepStrictEqual(told, [[entry(12, 'b'), entry(15, 'a')]])
})

test('under steady writes, a torn batch waits for what was there when it was delivered, and no longer', () => {
  const later = Array.from({ length: 10 }, (_, i) => [20 + 2 * i, 0, 0, 5] as const)
  const { told } = play([[8, 1, 3, 4], [10, 3, 3, 3], ...later])
  assert.deepStrictEqual(told.slice(0, 2), [[8, 10, 20, 22, 24], 26])
})

interface Kept {
  readonly n: number
  readonly time: number
  readonly subject: string
  readonly id?: string
}

/** A stream that keeps the last message of each subject. Messages with the same place: the last one counts. */
function streamOf(messages: readonly Kept[]) {
  const last = new Map(messages.map((each) => [each.subject, each]))
  const kept = [...last.values()].sort((one, other) => one.n - other.n)
  const asked: Question[] = []
  const read = async (question: Question) => {
    asked.push(question)
    const found = kept.find(({ n, subject }) => {
      if ('last_by_subj' in question) return subject === question.last_by_subj
      return 'next_by_subj' in question ? n >= question.seq : n === question.seq
    })
    if (found === undefined) return undefined
    const { n, time, id = '' } = found
    const hdrs = Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${id}\r\n\r\n`).toString('base64')
    return { seq: n, time: new Date(time).toISOString(), hdrs }
  }
  return { read, asked }
}

/** Messages `from` to `to`, each at its time, in as many subjects. */
const line = (from: number, to: number, { late = 0, subjects = Infinity } = {}): Kept[] =>
  Array.from({ length: to - from + 1 }, (_, i) => {
    const n = from + i
    return { n, time: n * 1000 + late, subject: `${late > 0 ? 'new ' : ''}${n % subjects}` }
  })

/** After everything that was written before. */
const late = 1e9

function follow(messages: readonly Kept[]): Trail {
  const trail = new Trail()
  for (const { n, time, subject } of messages) trail.add({ n, time, subject })
  return trail
}

test('a stream is recognised by messages that were told, or acknowledged', async () => {
  const trail = follow(line(1, 99))
  trail.add({ n: 100, time: 100_000 })
  trail.add({ n: 101, id: 'own', subject: 'own' })
  const own = { n: 101, time: 101_000, subject: 'own', id: 'own' }
  const floor = (head: number, ...messages: readonly Kept[]) => trail.floor(async () => head, streamOf(messages).read)
  const whole = [...line(1, 100), own]
  assert.strictEqual(await floor(101, ...whole), null, 'as it was')
  const over = line(60, 100).map((each, i) => ({ ...each, n: 110 + i }))
  assert.strictEqual(await floor(150, ...line(1, 59), ...over, { ...own, n: 150, id: 'x' }), null, 'much was replaced')
  assert.strictEqual(await floor(60, ...line(1, 60)), 60, 'it lost its end')
  assert.strictEqual(await floor(101, ...line(1, 100), { ...own, id: 'other' }), 100, 'another message')
  assert.strictEqual(await floor(150, ...line(1, 60), ...line(61, 150, { late })), 60, 'other messages from 61 on')
  assert.strictEqual(await floor(150, ...line(1, 150, { late })), 0, 'all are others')
})

test('a message that has expired says nothing of the stream, though an older one of its key is there again after a kill', async () => {
  const stream = { tombstoneTtl: 600_000 }
  const again = { n: 50, time: 50_000, subject: 'key' }
  const { read } = streamOf([...line(1, 49), again, ...line(51, 99)])
  const floorWith = (ttlMs: number) => {
    const trail = follow(line(1, 99))
    trail.add({ n: 100, time: 100_000, subject: lastingSubject('key', ttlMs, stream) })
    return trail.floor(async () => 100, read)
  }
  assert.strictEqual(await floorWith(3000), null)
  assert.strictEqual(await floorWith(Infinity), 99, 'what does not expire was lost')
})

test('what is delivered while the last place is asked for was not lost', async () => {
  const trail = follow(line(1, 10))
  const head = async () => {
    trail.add({ n: 11, time: 11_000, subject: '11' })
    return 10
  }
  assert.strictEqual(await trail.floor(head, streamOf(line(1, 11)).read), null)
})

test('most often one message is read to recognise a stream', async () => {
  const { read, asked } = streamOf(line(1, 1000))
  assert.strictEqual(await follow(line(1, 1000)).floor(async () => 2000, read), null)
  assert.strictEqual(asked.length, 1)
})

test('a copy of any age is recognised, and its last place', async () => {
  const before = line(1, 20_000)
  const trail = follow(before)
  for (const copied of [19_990, 19_000, 10_000, 200, 1]) {
    const { read, asked } = streamOf([...before.slice(0, copied), ...line(copied + 1, 30_000, { late })])
    assert.strictEqual(await trail.floor(async () => 30_000, read), copied)
    assert.ok(asked.length < 600, `${asked.length} questions`)
  }
})

test('a message is lost if an older one of its subject is there, whatever lies at its place', async () => {
  // All subjects but one are written all the time: their places say nothing.
  const busy = (from: number, to: number, late = 0) =>
    line(from, to, { subjects: 3 }).map((each) => ({ ...each, time: each.time + late }))
  const quiet = (n: number) => ({ n, time: n * 1000, subject: 'quiet' })
  const trail = follow([...busy(1, 49), quiet(50), ...busy(51, 60)])
  const floor = (n: number) => trail.floor(async () => 200, streamOf([quiet(n), ...busy(61, 200, late)]).read)
  assert.strictEqual(await floor(50), null)
  assert.strictEqual(await floor(30), 30)
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
