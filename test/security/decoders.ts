/** Decoders of what comes from outside, beside those of test/core/fuzz-targets.ts. */
import assert from 'node:assert'
import { MsgHdrsImpl } from '@nats-io/transport-node'
import { MemisError } from '../../src'
import { clean, isHarmful, quote, readable } from '../../src/core/text'
import { readUrl } from '../../src/options/url'
import type { Message } from '../../src/transports/nats/client'
import { decodeHeaders, factsOf } from '../../src/transports/nats/decode'
import { decodeEpochs, isCredible, nextEpoch } from '../../src/transports/nats/epochs'
import { decodeAnswer, decodeMerged, decodeOutcomes } from '../../src/transports/redis/decode'
import { assertSame, junk, mutate, type Target } from '../core/fuzz'

const now = Date.parse('2026-11-28T00:00:00Z')
const ids = ['2026-01-02T03:04:05.678000000Z', '2026-11-27T03:04:05.678123456Z~1a2b']

const epochs: Target = {
  name: 'nats: the list of epochs',
  make: (random) => (random.chance(0.1) ? JSON.stringify(junk(random)) : mutate(random, listOf(ids, random.int(9)))),
  decode(input) {
    const found = decodeEpochs(input as string, now)
    if (found === undefined) return
    let last = { id: '', floor: 0 }
    for (const epoch of found) {
      assert.ok(epoch.id > last.id && epoch.floor >= last.floor && Number.isSafeInteger(epoch.floor))
      last = epoch
    }
    // Nobody's id sorts after all others for ever.
    const next = nextEpoch(last.id, now)
    assert.ok(next > last.id && isCredible(next, now + 1), `${last.id} → ${next}`)
  },
  good: () =>
    assertSame(
      decodeEpochs(listOf(ids, 5), now)?.map(({ id }) => id),
      ids,
    ),
}

const listOf = (list: readonly string[], floor: number) =>
  JSON.stringify(list.map((id, i) => ({ id, floor: i * floor })))

/** A message as the client package would deliver it. */
function delivered(head: Buffer): Message {
  const data = Buffer.from('{"a":1}')
  return {
    ...{ subject: 's', reply: 'r', data, size: () => 2 + head.length + data.length },
    get headers() {
      return MsgHdrsImpl.decode(head) as unknown as NonNullable<Message['headers']>
    },
  }
}

const names = [
  'Nats-Msg-Id',
  'KV-Operation',
  'Memis-Gone',
  'Memis-TTL',
  'Nats-TTL',
  'Memis-Revision',
  'Memis-Batch',
  'x',
]
const values = ['a.1', 'PURGE', 'expire', '1500', '2s', '2025-01.7', '3', '1m0.5s', '']

const headers: Target = {
  name: 'nats: headers, as they are delivered and as a stream stores them',
  make(random) {
    const lines = Array.from({ length: random.int(5) }, () => `${random.pick(names)}: ${random.pick(values)}\r\n`)
    return mutate(random, `NATS/1.0\r\n${lines.join('')}\r\n`)
  },
  decode(input) {
    const head = Buffer.from(input as string)
    // Without that line, the server would not have taken them for headers.
    if (!head.toString().startsWith('NATS/1.0\r\n')) return
    assertSame(decodeHeaders(head.toString('base64')), factsOf(delivered(head)))
  },
  good() {
    const head = Buffer.from('NATS/1.0\r\nMemis-TTL: 5\r\nMemis-TTL: 7\r\n\r\n')
    assertSame(
      [decodeHeaders(head.toString('base64')), factsOf(delivered(head))].map(({ ttlMs }) => ttlMs),
      [5, 5],
    )
  },
}

const history = [
  { id: '01980000000-aaaaaaaa', floor: 0 },
  { id: '0199abcdef0-12345678', floor: 6 },
]
const item = { item: {}, json: '{}', bytes: 2 }
const batch = {
  ...{ writer: 'w', sequence: 1 },
  writes: ['a', 'b', 'c', 'd'].map((key) => ({ kind: 'set', key, item, ttlMs: 'keep' }) as const),
}

const answers: Target = {
  name: 'redis: the answer to a batch, as it may lie beside a writer',
  make: (random) => [mutate(random, '0199abcdef0-12345678 7 1 10cx 500,-1 abc 9'), mutate(random, '17')],
  decode(input) {
    const [text, age] = input as [string, string]
    const answer = decodeAnswer(text, age)
    const outcomes = decodeOutcomes(answer, batch, [])
    assertSame(outcomes.length, [...answer.codes].length)
  },
  good() {
    const outcomes = decodeOutcomes(decodeAnswer('0199abcdef0-12345678 7 1 10 500,-1 abc 8', '-'), batch, [])
    assertSame(
      outcomes.map((each) => 'n' in each && each.n),
      [7, 8],
    )
  },
}

const merges: Target = {
  name: 'redis: the answer to a merge',
  make: (random) => mutate(random, '[["a","7","01980000000-aaaaaaaa.4",500,["\\u00ff","7","g","1"]],null,"9"]'),
  decode(input) {
    let isList = false
    try {
      const list = JSON.parse(input as string)
      isList = Array.isArray(list)
    } catch {
      // The script gives a list.
    }
    if (!isList) return
    const { merged } = decodeMerged(['e', '6', 'pkk', input, '9', 's'], history, () => {})
    assertSame(merged.length, 3)
  },
  good() {
    const { merged } = decodeMerged(['e', '6', 'pk', '[null]', '9', 's'], history, assert.fail)
    assertSame(merged, [{ place: { epoch: '0199abcdef0-12345678', n: 7 } }, { current: null }])
  },
}

const texts: Target = {
  name: 'text for a message',
  make: (random) => (random.chance(0.2) ? junk(random) : mutate(random, 'a name: "x"\u202e\u001b[31m\u2028 🎉')),
  decode(input) {
    const shown = [quote(input), ...(typeof input === 'string' ? [readable(input), clean(input, 200)] : [])]
    for (const text of shown) assert.ok(!isHarmful(text) && text.length <= 201, JSON.stringify(text))
    if (typeof input === 'string') assert.ok(!isHarmful(new MemisError('UNDECODABLE', input, { key: input }).message))
  },
  good: () => assertSame(quote('a\n'), '"a\\n"'),
}

const urls: Target = {
  name: 'a URL',
  make: (random) =>
    mutate(random, random.pick(['redis://u:hunter2@h:6379/0', 'nats://u:hunter2@h:4222', 'tls://hunter2@h'])),
  decode(input) {
    try {
      readUrl(input)
    } catch (error) {
      assert.ok(error instanceof MemisError, String(error))
      assert.ok(!error.message.includes('hunter2'), error.message)
    }
  },
  good: () => assert.ok(readUrl('redis://h:1/2')),
}

export const moreTargets: readonly Target[] = [epochs, headers, answers, merges, texts, urls]
