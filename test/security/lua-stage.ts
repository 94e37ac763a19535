/** Collections whose bookkeeping is spoiled at random, and the scripts of memis that have to cope with it, many at a time. */
import { createHash } from 'node:crypto'
import type { CollectionId, Entry, Epoch, KeyWrite } from '../../src/core/transport'
import { decodePage, type Page } from '../../src/transports/redis/decode'
import { encodeBatch, encodeLoneSet, encodeMerge, sha1 } from '../../src/transports/redis/encode'
import { collectionKeys, type Keys, keysOf } from '../../src/transports/redis/names'
import { notificationAfter } from '../../src/transports/redis/notification'
import {
  auditScript,
  clearScript,
  keepScript,
  mergeScript,
  readScript,
  type Script,
  scrubScript,
  setScript,
  writeScript,
} from '../../src/transports/redis/scripts'
import { StoreRecord } from '../../src/transports/redis/store-record'
import { mutate } from '../core/fuzz'
import type { Raw } from '../redis/support'
import type { Random } from '../simulation/random'

export type Command = readonly (string | number)[]

const day = 86_400_000
const idAt = (ms: number) => `${Math.max(0, Math.floor(ms)).toString(16).padStart(11, '0')}-${'0123abcd'}`
const item = { item: { v: 1 }, json: '{"v":1}', bytes: 7 }

/** Values that mean something to a script that counts. */
const numbers = [
  '0',
  '1',
  '3',
  '4',
  '5',
  '6',
  '-1',
  '1.5',
  'nan',
  'inf',
  '-inf',
  '1e15',
  '4503599627370496',
  '9007199252643839',
]
const more = [
  '9007199252643840',
  '9007199252643841',
  '9007199254740991',
  '9007199254740993',
  '0x10',
  '',
  ' 3',
  '03',
  '+3',
]
const scores = [...numbers, ...more].filter((text) => text !== 'nan' && text.trim() !== '' && !text.startsWith(' '))

type Lone = NonNullable<ReturnType<typeof encodeLoneSet>>

export class Stage {
  readonly keys: Keys
  /** The record of a client that has just begun. */
  readonly record = new StoreRecord()
  readonly #seed = createHash('sha1').update(String(Math.random())).digest('hex')

  constructor(i: number) {
    const id: CollectionId = { prefix: 'f', database: 'd', collection: `c${i}` }
    this.keys = keysOf(id, 0)
  }

  /** Three items, one with a ttl and one merged, and a tombstone; then a few changes by somebody who spoils it. */
  make(random: Random, server: string, now: number): Command[] {
    const { meta, log, ttl, revs, items } = this.keys
    const secret = sha1(String(random.next()))
    const at = now - 1000
    const epoch = `${idAt(at)} 3 ${random.chance(0.5) ? server : '-'} ${secret}`
    const good: Command[] = [
      ['HSET', `${items}k1`, '\xff', 4, 'v', '1'],
      ['HSET', `${items}k2`, '\xff', 5, 'v', '2'],
      ['PEXPIREAT', `${items}k2`, now + 600_000],
      ['HSET', `${items}k3`, '\xff', 2, 'v', '3'],
      ['ZADD', log, 4, 'k1', 5, 'k2', 2, 'k3', 6, 'gone'],
      ['ZADD', ttl, now + 600_000, 'k2', -now, 'gone'],
      ['HSET', revs, 'k1', `${idAt(at - 5000)}.1`],
      ['HSET', meta, 'layout', 2, 'head', 6, 'epoch', epoch, 'epochs', `${idAt(at - 5000)}:0 ${idAt(at - 3000)}:1`],
      ['HSET', meta, 'sign', sha1('x'), 'cards', '4 2 1 0', 'retention', 600_000],
    ]
    return [...good, ...Array.from({ length: 1 + random.int(3) }, () => this.#spoil(random, epoch, now))]
  }

  #spoil(random: Random, epoch: string, now: number): Command {
    const { meta, log, ttl, revs, items } = this.keys
    const key = random.pick(['k1', 'k2', 'k3', 'gone', 'phantom', '', 'k'.repeat(300)])
    const id = random.pick([
      idAt(now - 1000),
      idAt(now - 6000),
      idAt(0),
      idAt(now + day / 2),
      idAt(now + 2 * day),
      'zzz',
      'fffffffffff-ffffffff',
    ])
    const number = random.pick([...numbers, ...more])
    const text = (valid: string) => (random.chance(0.3) ? mutate(random, valid) : valid)
    return random.weighted<() => Command>([
      [
        3,
        () => [
          'HSET',
          meta,
          'epoch',
          text(
            `${id} ${random.chance(0.5) ? 3 : number} ${random.pick(['-', 'x'.repeat(70), '\u00a0', 'ab'])} ${sha1('s')}`,
          ),
        ],
      ],
      [2, () => ['HSET', meta, 'epoch', mutate(random, epoch)]],
      [3, () => ['HSET', meta, 'epochs', text(`${id}:${number} ${idAt(now - 2000)}:${random.pick(numbers)}`)]],
      [2, () => ['HSET', meta, random.pick(['head', 'forgotten', 'cleared', 'retention']), text(number)]],
      [1, () => ['HSET', meta, 'cards', text(`${random.pick(numbers)} 2 1 ${number}`)]],
      [1, () => ['HSET', meta, 'sign', text(sha1(key))]],
      [1, () => ['HDEL', meta, random.pick(['head', 'epoch', 'epochs', 'sign', 'cards'])]],
      [4, () => ['HSET', revs, key, text(`${id}.${number}`)]],
      [3, () => ['ZADD', log, random.pick(scores.filter((score) => score !== '0x10')), key]],
      [2, () => ['ZADD', ttl, random.pick(scores.filter((score) => score !== '0x10')), key]],
      [1, () => ['DEL', random.pick([log, ttl, revs, meta])]],
      [1, () => ['HSET', `${items}${key}`, 'v', text('{"a":[1]}')]],
      [1, () => ['HDEL', `${items}k1`, '\xff']],
      [1, () => ['DEL', `${items}k1`]],
    ])()
  }

  read(): Command {
    const told = ['', JSON.stringify(['k1', 4, 'gone', 6])]
    return this.#call(readScript, collectionKeys(this.keys), [
      ...[0, Number.MAX_SAFE_INTEGER, 1000, 1_000_000, 1_048_576, 1, ...told],
    ])
  }

  write(writes: readonly KeyWrite[]): Command {
    const { items, args } = encodeBatch(this.keys.items, { writer: 'w', sequence: 1, writes })
    const names = [...collectionKeys(this.keys), this.keys.writer('w'), ...items]
    return this.#call(writeScript, names, [...this.#opening, 1, 600_000, 0, 1_048_576, ...args])
  }

  /** Whatever else is run on it; none of it may fail. */
  others(): Command[] {
    const names = collectionKeys(this.keys)
    const { current, newest } = this.record
    const lost: Entry = { key: 'k3', epoch: idAt(1), n: 1, item: { v: 9 }, leftMs: null }
    const { items, args } = encodeMerge(this.keys.items, [lost, { ...lost, key: 'new', item: null, cause: 'delete' }])
    const merge = [...this.#opening, idAt(1), 1, 1_048_576, ...args]
    const { meta, log, ttl, channel } = this.keys
    const { payload, fields } = encodeLoneSet({ kind: 'set', key: 'k1', item, ttlMs: 5000 }) as Lone
    const known = current ?? { text: '', id: '', secret: '', floor: 0 }
    const next = notificationAfter(newest, known, payload)
    const set = [
      ...[channel, 9, known.text, newest.n, newest.sign, next.place, next.sign, 'k1', 5000, 600_000, 600_000],
      ...[next.message, next.begins + 1, next.digest, ...fields],
    ]
    return [
      this.#call(auditScript, [meta, log, ttl], [600_000, 1, '', known.text, newest.n, newest.sign]),
      this.#call(setScript, [meta, log, ttl, this.keys.writer('w'), `${this.keys.items}k1`], set),
      this.#call(mergeScript, [...names, ...items], merge),
      this.#call(scrubScript, names, [0, 500]),
      this.#call(keepScript, names, [...this.#opening, '', '']),
      this.#call(clearScript, [...names, this.keys.writer('x')], [...this.#opening, 1, 600_000, 0, 1000]),
    ]
  }

  /** Reads as a client that has just begun. */
  understand(reply: unknown): { page: Page; history: readonly Epoch[]; entries: readonly Entry[] } {
    const page = decodePage(reply)
    const record = new StoreRecord()
    record.setHistory(page.current, page.epochs)
    const history = page.current === '' ? [{ id: '0', floor: 0 }] : record.history
    return { page, history, entries: page.entries(history, () => {}) }
  }

  remove(): Command {
    const { meta, log, ttl, revs, items, writer } = this.keys
    const names = ['k1', 'k2', 'k3', 'gone', 'phantom', '', 'k'.repeat(300), 'new', 'fresh'].map((key) => items + key)
    return ['UNLINK', meta, log, ttl, revs, writer('w'), writer('x'), ...names]
  }

  get #opening(): (string | number)[] {
    return [this.keys.channel, 600_000, this.#seed, '', this.record.current?.text ?? '', '']
  }

  #call(script: Script, keys: readonly string[], args: readonly (string | number)[]): Command {
    return ['EVALSHA', script.sha, keys.length, ...keys, ...args]
  }
}

export async function load(raw: Raw): Promise<void> {
  const scripts = [auditScript, clearScript, keepScript, mergeScript, readScript, scrubScript, setScript, writeScript]
  for (const { text } of scripts) await raw.send('SCRIPT', 'LOAD', text)
}
