/** Every kind of bad input to the public API: the code it is refused with, and that nothing else suffers. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { createClient as createNodeRedis } from 'redis'
import { suite } from 'uvu'
import { isHarmful } from '../../src/core/text'
import { type Client, type Collection, createClient, type ErrorCode, MemisError, MemoryHub } from '../../src/index'
import { FakeTransport } from '../support/fake-transport'
import { within } from '../support/testing'

const test = suite('bad input')

// biome-ignore lint/suspicious/noExplicitAny: what is tested is what no type allows
type Any = any

/** What is called with something bad, and the error that is expected. */
type Row = [what: string, code: ErrorCode | 'TypeError', call: (things: Collection<Any>, client: Client) => unknown]

const throwing = {
  get [Symbol.toPrimitive]() {
    throw new Error('no')
  },
  get toJSON() {
    throw new Error('no')
  },
}
const { proxy: revoked, revoke } = Proxy.revocable({}, {})
revoke()
class Artist {
  genre = 'Alternative'
}
class Evil {}
Object.defineProperty(Evil, 'name', { value: '\x1b[31mX\n'.repeat(1000) })
const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic
const nested = (levels: number): object => {
  let item: object = {}
  for (let i = 1; i < levels; i++) item = { item }
  return item
}

const badNames: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 1],
  ['NaN', NaN],
  ['a bigint', 1n],
  ['a boolean', true],
  ['a symbol', Symbol('s')],
  ['an object', {}],
  ['an array of a name', ['a']],
  ['a boxed string', Object('a')],
  ['a function', () => 'a'],
  ['an object without a prototype', Object.create(null)],
  ['an object that throws', throwing],
  ['a revoked proxy', revoked],
  ['an empty string', ''],
  ['a lone surrogate', '\ud800'],
  ['a lone surrogate behind a pair', '🎉\udc00'],
  ['a name that is too long', 'x'.repeat(257)],
  ['a name of too many bytes', '🎉'.repeat(65)],
]

const badItems: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a string', 'text'],
  ['a number', 1],
  ['a boolean', true],
  ['a bigint', 1n],
  ['a symbol', Symbol('s')],
  ['a function', () => {}],
  ['an array', []],
  ['an array of items', [{}]],
  ['a Date', new Date()],
  ['a Map', new Map()],
  ['a Set', new Set()],
  ['a typed array', new Uint8Array(2)],
  ['a Buffer', Buffer.from('x')],
  ['a promise', Promise.resolve({})],
  ['an Error', new Error('x')],
  ['an instance of a class', new Artist()],
  ['an object with a prototype of its own', Object.create({ a: 1 })],
  ['an object with toJSON', { toJSON: () => ({}) }],
  ['an object that throws', throwing],
  ['a revoked proxy', revoked],
  ['a proxy that throws', new Proxy({}, { ownKeys: () => assert.fail('no') })],
  [
    'a getter that throws',
    {
      get a() {
        throw new Error('no')
      },
    },
  ],
  ['a symbol as a key', { [Symbol('s')]: 1 }],
  ['a field with a lone surrogate in its name', { '\ud800': 1 }],
  ['NaN', { a: NaN }],
  ['Infinity', { a: Infinity }],
  ['-Infinity', { a: { b: [-Infinity] } }],
  ['a bigint inside', { a: 1n }],
  ['a function inside', { a() {} }],
  ['a symbol inside', { a: Symbol('s') }],
  ['a Date inside', { a: { b: new Date() } }],
  ['a Map inside', { a: [new Map()] }],
  ['a Set inside', { a: new Set() }],
  ['a typed array inside', { a: new Float64Array(1) }],
  ['an instance inside', { a: new Artist() }],
  ['toJSON inside', { a: { toJSON: () => 1 } }],
  ['undefined in an array', { a: [undefined] }],
  // biome-ignore lint/suspicious/noSparseArray: the point
  ['a hole in an array', { a: [1, , 2] }],
  ['a field of an array', { a: Object.assign([1], { b: 1 }) }],
  ['a cycle', cyclic],
  ['an escape sequence in the name of a field', JSON.parse('{"\\u001b[31m\\nFAKE":1e999}')],
  ['the name of a field without end', { ['x'.repeat(1e6)]: NaN }],
  ['an escape sequence in the name of a class', { a: new Evil() }],
  ['nesting without end', nested(1001)],
  ['nesting that would overflow the stack', nested(100_000)],
]

const badTtls: [string, unknown][] = [
  ['0', 0],
  ['-0', -0],
  ['less than 0', -1],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['more than 100 years', 100 * 365.25 * 24 * 3600 + 1],
  ['null', null],
  ['a string', '60'],
  ['a bigint', 60n],
  ['a boolean', true],
  ['an object with a bad ttl', { ttl: 0 }],
  ['an object with a ttl that is text', { ttl: '60' }],
]

const badListeners: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a string', 'listener'],
  ['an object', { handleEvent() {} }],
  ['an object without a prototype', Object.create(null)],
]

const rows: Row[] = [
  ...badNames.flatMap(([what, name]): Row[] => [
    [`database: ${what}`, 'INVALID_NAME', (_, client) => client.database(name as Any)],
    [`collection: ${what}`, 'INVALID_NAME', (_, client) => client.database('db').collection(name as Any)],
    [`set, key: ${what}`, 'INVALID_NAME', (things) => things.set(name as Any, {})],
    [`delete, key: ${what}`, 'INVALID_NAME', (things) => things.delete(name as Any)],
  ]),
  ...badItems.map(([what, item]): Row => [`set, item: ${what}`, 'INVALID_ITEM', (things) => things.set('bad', item)]),
  ...badTtls.map(
    ([what, ttl]): Row => [`set, ttl: ${what}`, 'INVALID_TTL', (things) => things.set('bad', {}, ttl as Any)],
  ),
  ['set: an item that is too large', 'ITEM_TOO_LARGE', (things) => things.set('bad', { v: 'x'.repeat(2 ** 20) })],
  ...['k\u009b31m\u202e\u2028', 'k\x1b[31m\n', '\ufeff', 'x'.repeat(256)].map(
    (key): Row => [
      `set, item of a harmful key: ${JSON.stringify(key)}`,
      'INVALID_ITEM',
      (things) => things.set(key, { a: NaN }),
    ],
  ),
  ['set: nothing at all', 'INVALID_NAME', (things) => (things as Any).set()],
  ['set: no item', 'INVALID_ITEM', (things) => (things as Any).set('bad')],
  ...badListeners.flatMap(([what, listener]): Row[] => [
    [`on: ${what}`, 'INVALID_LISTENER', (things) => things.on('set', listener as Any)],
    [`once: ${what}`, 'INVALID_LISTENER', (things) => things.once('set', listener as Any)],
    [`off: ${what}`, 'INVALID_LISTENER', (things) => things.off('set', listener as Any)],
    [`multi: ${what}`, 'INVALID_LISTENER', (things) => things.multi('set delete', listener as Any)],
    [`on of the client: ${what}`, 'INVALID_LISTENER', (_, client) => client.on('error', listener as Any)],
  ]),
  ...['', ' ', 'sets', 'set deleted', 'set,delete', 'error', '*', '__proto__', undefined, null, 1].map(
    (names): Row => [`multi, names: ${names}`, 'INVALID_LISTENER', (things) => things.multi(names as Any, () => {})],
  ),
  ...['expired', 'SET', '', 'set delete', 'constructor', undefined].flatMap((name): Row[] => [
    [`on, event: ${name}`, 'INVALID_LISTENER', (things) => things.on(name as Any, () => {})],
    [`once, event: ${name}`, 'INVALID_LISTENER', (things) => things.once(name as Any, () => {})],
  ]),
  ['on of the client, event: set', 'INVALID_LISTENER', (_, client) => client.on('set' as Any, () => {})],
  ['multi of the client, names: set', 'INVALID_LISTENER', (_, client) => client.multi('set' as Any, () => {})],
  ['get without subscribing', 'NOT_SUBSCRIBED', (_, client) => client.database('db').collection('other').get('a')],
  ['forEach: no function', 'TypeError', (things) => things.forEach(undefined as Any)],
  ...badNames.flatMap(([what, name]): Row[] => [
    [`update, key: ${what}`, 'INVALID_NAME', (things) => things.update(name as Any, () => undefined)],
    [`touch, key: ${what}`, 'INVALID_NAME', (things) => things.touch(name as Any, 1)],
    [
      `setMany, key: ${what}`,
      'INVALID_NAME',
      (things) =>
        things.setMany([
          ['bad', {}],
          [name as Any, {}],
        ]),
    ],
    [`transaction, key: ${what}`, 'INVALID_NAME', (things) => things.transaction((t) => t.set(name as Any, {}))],
    [
      `watch, key: ${what}`,
      name === revoked ? 'TypeError' : typeof name === 'string' ? 'INVALID_NAME' : 'INVALID_OPTION',
      (things) => things.watch(name as Any, () => {}),
    ],
  ]),
  ...badItems.flatMap(([what, item]): Row[] => [
    [
      `setMany, item: ${what}`,
      'INVALID_ITEM',
      (things) =>
        things.setMany([
          ['bad', {}],
          ['worse', item],
        ]),
    ],
    [`transaction, item: ${what}`, 'INVALID_ITEM', (things) => things.transaction((t) => t.set('bad', item as Any))],
  ]),
  ...badTtls.map(
    ([what, ttl]): Row => [`touch, ttl: ${what}`, 'INVALID_TTL', (things) => things.touch('before', ttl as Any)],
  ),
  ['touch: no ttl', 'INVALID_TTL', (things) => (things as Any).touch('before')],
  ...['0', 'x', '', 'e.', 'e.-1', 'e.01', `e.${2 ** 53}`, 1, null, undefined, {}].flatMap((revision): Row[] => [
    [
      `set, ifRevision: ${inspect(revision)}`,
      'INVALID_OPTION',
      (things) => things.set('bad', {}, { ifRevision: revision as Any }),
    ],
    [
      `delete, ifRevision: ${inspect(revision)}`,
      'INVALID_OPTION',
      (things) => things.delete('bad', { ifRevision: revision as Any }),
    ],
    [`reached: ${inspect(revision)}`, 'INVALID_OPTION', (things) => things.reached(revision as Any)],
  ]),
  ['set, options: a Date', 'INVALID_OPTION', (things) => things.set('bad', {}, new Date() as Any)],
  ['set, options: an array', 'INVALID_OPTION', (things) => things.set('bad', {}, [60] as Any)],
  ['set, ifAbsent: not a boolean', 'INVALID_OPTION', (things) => things.set('bad', {}, { ifAbsent: 1 as Any })],
  ['set: two conditions', 'INVALID_OPTION', (things) => things.set('bad', {}, { ifAbsent: true, ifRevision: 'e.1' })],
  ['set: an unknown option', 'INVALID_OPTION', (things) => things.set('bad', {}, { EX: 10 } as Any)],
  ['set: a condition that fails', 'CONFLICT', (things) => things.set('before', {}, { ifRevision: 'e.1' })],
  ['increment: by text', 'INVALID_OPTION', (things) => things.increment('before', 'v', '1' as Any)],
  ['increment: by NaN', 'INVALID_OPTION', (things) => things.increment('before', 'v', NaN)],
  ['increment: no such item', 'NOT_FOUND', (things) => things.increment('absent', 'v')],
  ['update: no function', 'TypeError', (things) => things.update('bad', {} as Any)],
  [
    'update: an unknown option',
    'INVALID_OPTION',
    (things) => things.update('bad', () => undefined, { timeout: 1 } as Any),
  ],
  ['setMany: nothing', 'INVALID_ITEM', (things) => (things as Any).setMany()],
  ['setMany: pairs that are none', 'INVALID_ITEM', (things) => things.setMany(['ab'] as Any)],
  ['replaceAll: text', 'INVALID_ITEM', (things) => things.replaceAll('text' as Any)],
  ['transaction: no function', 'TypeError', (things) => things.transaction({} as Any)],
  ['watch: no listener', 'INVALID_LISTENER', (things) => (things as Any).watch('a')],
  ['watch: an unknown option', 'INVALID_OPTION', (things) => things.watch({ suffix: 'a' } as Any, () => {})],
  ['changes: a prefix that is no string', 'INVALID_OPTION', (things) => things.changes({ prefix: 1 as Any })],
  ['changes: an unknown option', 'INVALID_OPTION', (things) => things.changes({ key: 'a' } as Any)],
  ['changes without subscribing', 'NOT_SUBSCRIBED', (_, client) => client.database('db').collection('other').changes()],
  ['whenLive: not a signal', 'INVALID_OPTION', (things) => things.whenLive({ signal: {} as Any })],
  [
    'waitFor: an aborted signal',
    'ABORTED',
    (things) => things.waitFor('a', () => false, { signal: AbortSignal.abort() }),
  ],
  [
    'subscribe: a signal that is aborted',
    'ABORTED',
    (_, client) => client.database('db').collection('aborted').subscribe({ signal: AbortSignal.abort() }),
  ],
]

/** The titles of the calls that write. */
const writing = /^(set|delete|clear|update|patch|increment|touch|setMany|replaceAll|transaction)\b/

const codeOf = (error: unknown) => (error instanceof MemisError ? error.code : (error as Error)?.constructor?.name)

/** What came of a call, thrown or rejected; undefined where it was taken. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return undefined
  } catch (error) {
    return error
  }
}

const hub = new MemoryHub()
const [client, witness] = [createClient({ transport: 'memory', hub }), createClient({ transport: 'memory', hub })]
const things = client.database('db').collection<Any>('things')
const witnessed = witness.database('db').collection<Any>('things')
const faults: unknown[] = []
let turns = 0

test('the clients are ready', async () => {
  client.on('error', (error) => faults.push(error))
  process.on('unhandledRejection', (reason) => faults.push(reason))
  await Promise.all([things.subscribe(), witnessed.subscribe()])
})

for (const [what, code, call] of rows) {
  test(`${what} is refused, and nothing else of the turn suffers`, async () => {
    const v = ++turns
    const events: string[] = []
    const note = (key: string) => events.push(key)
    witnessed.on('set', note)
    // All in one turn, and so in one batch.
    const before = things.set('before', { v })
    const refused = within(
      refusal(() => call(things, client)),
      5000,
    )
    const after = things.set('after', { v })
    try {
      await Promise.all([before, after])
      const error = await refused
      assert.ok(error !== undefined, 'it was accepted')
      assert.equal(codeOf(error), code, String((error as Error)?.stack))
      if (code !== 'TypeError' && writing.test(what)) assert.equal((error as MemisError).stored, 'no')
      const { message } = error as Error
      assert.ok(message.length < 400 && !isHarmful(message), JSON.stringify(message))
      await hub.idle()
      assert.deepEqual(events, ['before', 'after'])
      for (const replica of [things, witnessed]) {
        assert.deepEqual(Object.fromEntries(replica), { before: { v }, after: { v } })
      }
    } finally {
      witnessed.off('set', note)
      for (const key of ['bad', 'worse', 'absent']) await things.delete(key) // if one was written, only its own case fails
    }
  })
}

test('afterwards no listener is left, no fault was told, and no prototype has changed', async () => {
  await hub.idle()
  assert.deepEqual(faults, [])
  assert.deepEqual(client.errorCounts, {})
  for (const event of ['set', 'delete', 'expire', 'ready', 'stale'] as const) {
    assert.equal(things.listenerCount(event), 0)
  }
  assert.deepEqual(Object.keys(Object.prototype), [])
  await client.close()
  await witness.close()
})

const afterClose: Row[] = [
  ['database', 'CLOSED', (_, client) => client.database('db')],
  ['connect', 'CLOSED', (_, client) => client.connect()],
  ['subscribe', 'CLOSED', (things) => things.subscribe()],
  ['set', 'CLOSED', (things) => things.set('a', {})],
  ['delete', 'CLOSED', (things) => things.delete('a')],
  ['clear', 'CLOSED', (things) => things.clear()],
  ['get', 'CLOSED', (things) => things.get('a')],
  ['has', 'CLOSED', (things) => things.has('a')],
  ['size', 'CLOSED', (things) => things.size],
  ['keys', 'CLOSED', (things) => things.keys()],
  ['values', 'CLOSED', (things) => things.values()],
  ['entries', 'CLOSED', (things) => things.entries()],
  ['forEach', 'CLOSED', (things) => things.forEach(() => {})],
]

test('after close, every call is refused', async () => {
  for (const [what, code, call] of afterClose) {
    assert.equal(codeOf(await refusal(() => call(things, client))), code, what)
  }
})

// Options

const methods = { open() {}, write() {}, merge() {}, watch() {}, beginEpoch() {}, close() {} }
const native = createNodeRedis({ url: 'redis://127.0.0.1:1' })
const numbers = [
  'writeTimeout',
  'maxPending',
  'maxPendingBytes',
  'livenessTimeout',
  'auditInterval',
  'retention',
  'maxItemBytes',
  'maxItems',
]
const owned = [
  'disableOfflineQueue',
  'commandsQueueMaxLength',
  'pingInterval',
  'keyPrefix',
  'readonly',
  'clientSideCache',
  'emitInvalidate',
  'commandOptions',
]

const badOptions: [string, unknown][] = [
  ['null', null],
  ['a number', 1],
  ['a boolean', true],
  ['a function', () => {}],
  ['an array', []],
  ['no transport', {}],
  ['no URL', ''],
  ['a URL without a scheme', 'localhost:6379'],
  ['a URL of another scheme', 'http://localhost'],
  ['a URL that looks like one', 'redisx://localhost'],
  ['a URL that cannot be parsed', 'redis://[bad'],
  ['a URL with a port that is none', 'redis://localhost:99999'],
  ['a URL that is no string', { url: 1 }],
  ['a URL object for a url', { url: new URL('redis://localhost') }],
  ['a URL without a scheme, as an option', { url: 'localhost' }],
  ['an unknown option beside a memory URL', { url: 'memory:', hubs: 1 }],
  ['transport: an unknown name', { transport: 'mysql' }],
  ['transport: an empty string', { transport: '' }],
  ['transport: null', { transport: null }],
  ['transport: a number', { transport: 1 }],
  ['transport: an object without a prototype', { transport: Object.create(null) }],
  ['transport: a class', { transport: FakeTransport }],
  ['transport: without write', { transport: { ...methods, write: undefined } }],
  ['transport: without a clock', { transport: { ...methods, name: 'x', lacks: [], maxItemBytes: 1 } }],
  ['transport of one’s own with an unknown option', { transport: new FakeTransport(), url: 'redis://localhost' }],
  ['memory: an unknown option', { transport: 'memory', port: 6379 }],
  ['memory: a hub that is none', { transport: 'memory', hub: {} }],
  ['memory: null for a hub', { transport: 'memory', hub: null }],
  ['memory: a class for a hub', { transport: 'memory', hub: MemoryHub }],
  ['memory: a hub and a name', { transport: 'memory', hub: new MemoryHub(), url: 'memory:name' }],
  ['memory: a URL of another scheme', { transport: 'memory', url: 'redis://localhost' }],
  ['memory: a URL that is no string', { transport: 'memory', url: 1 }],
  ['redis: a URL of another scheme', { transport: 'redis', url: 'memory:' }],
  ['redis: a URL that is no string', { transport: 'redis', url: 1 }],
  ['redis: a socket that is none', { transport: 'redis', socket: 'localhost' }],
  ...owned.map((name): [string, unknown] => [`redis: ${name}`, { transport: 'redis', [name]: undefined }]),
  ...owned.map((name): [string, unknown] => [`redis by URL: ${name}`, { url: 'redis://localhost', [name]: true }]),
  ['redis: socket.reconnectStrategy', { transport: 'redis', socket: { reconnectStrategy: () => 100 } }],
  ['redis: socket.reconnectStrategy, off', { transport: 'redis', socket: { reconnectStrategy: false } }],
  ['redis: socket.socketTimeout', { transport: 'redis', socket: { socketTimeout: 1000 } }],
  ['redis: null for a client', { transport: 'redis', client: null }],
  ['redis: a client that is none', { transport: 'redis', client: {} }],
  ['redis: the function that makes clients', { transport: 'redis', client: createNodeRedis }],
  ['redis: a client of memis', { transport: 'redis', client: createClient('memory:') }],
  ['redis: a client and a URL', { transport: 'redis', client: native, url: 'redis://localhost' }],
  ['redis: a client and a socket', { transport: 'redis', client: native, socket: {} }],
  ['redis: a client with a keyPrefix', { transport: 'redis', client: createNodeRedis({ keyPrefix: 'x' } as Any) }],
  ...numbers.flatMap((name) =>
    [-1, 0.5, NaN, Infinity, '1000', 1000n, true, null, {}, Object.create(null)].map((value): [string, unknown] => [
      `${name}: ${inspect(value)}`,
      { transport: 'memory', [name]: value },
    ]),
  ),
  ...[0, 1].map((value): [string, unknown] => [`maxItemBytes: ${value}`, { transport: 'memory', maxItemBytes: value }]),
  ...numbers
    .filter((name) => name !== 'retention')
    .map((name): [string, unknown] => [`${name}: 0`, { transport: 'memory', [name]: 0 }]),
  ...['x'.repeat(65), 'a{b', 'a}', '\ud800', 1, null, {}, Symbol('s'), Object.create(null)].map(
    (prefix): [string, unknown] => [`prefix: ${inspect(prefix).slice(0, 20)}`, { transport: 'memory', prefix }],
  ),
  ...['', 'Restore', null, true, {}, Object.create(null)].map((dataLoss): [string, unknown] => [
    `dataLoss: ${inspect(dataLoss)}`,
    { transport: 'memory', dataLoss },
  ]),
]

for (const [what, options] of badOptions) {
  test(`createClient refuses ${what}`, async () => {
    let made: Client | undefined
    const error = await refusal(() => {
      made = createClient(options as Any)
      made.on('error', () => {})
    })
    await made?.close()
    assert.equal(codeOf(error), 'INVALID_OPTION', error === undefined ? 'it was taken' : String((error as Error).stack))
    assert.ok((error as Error).message.length < 300)
  })
}

test('createClient refuses a second argument, which would be lost', () => {
  const two = createClient as (url: string, options: object) => Client
  assert.throws(() => two('memory:', { writeTimeout: 1000 }), { code: 'INVALID_OPTION', message: /one argument/ })
})

test.run()
