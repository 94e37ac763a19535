/**
 * A write whose answer was lost is sent again, and another client has written its key meanwhile: what that one wrote stays, and `delete`
 * tells what the first attempt found. After a restart, the server knows the ids of those messages only that it still has: then the
 * write may be accepted a second time. Both writes overlapped, so that any order is right.
 */
import assert from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { connect, type NatsConnection } from 'nats'
import { type Client, type Collection, createClient } from '../../src'
import { startProxy, type TcpProxy } from '../support/proxy'
import type { Server } from '../support/servers'
import { awake, Complaints, natsSite, passAcks, readStore, rejection, suite, until, untilEqual } from './support'

const test = suite('lost answers, NATS')

type Items = Collection<{ by: string }>

interface Case {
  /** Whether the key is there before. */
  readonly before?: boolean
  /** Which messages never reach the server: so many of the first ones of the key. The answers to all others are lost. */
  readonly unsent?: number
  write(own: Items): Promise<unknown>
  /** What another client does once the write has taken effect, without an answer. */
  meanwhile(theirs: Items): Promise<unknown>
  /** What the delete among the writes resolves to, and what is there in the end. */
  readonly result?: boolean
  readonly stays: string | undefined | null
}

const set = (items: Items) => items.set('k', { by: 'other' })
const setAndDelete = async (items: Items) => {
  await set(items)
  await items.delete('k')
}
const cases: Record<string, Case> = {
  'a set, another sets': { write: (own) => own.set('k', { by: 'own' }), meanwhile: set, stays: 'other' },
  'a set with a ttl, another sets': { write: (own) => own.set('k', { by: 'own' }, 60), meanwhile: set, stays: 'other' },
  'a set, another deletes': {
    write: (own) => own.set('k', { by: 'own' }),
    meanwhile: (theirs) => theirs.delete('k'),
    stays: undefined,
  },
  'two sets of a key, another sets': {
    write: (own) => Promise.all([own.set('k', { by: 'own 1' }), own.set('k', { by: 'own 2' })]),
    meanwhile: set,
    stays: 'other',
  },
  'a clear, another clears and sets': {
    before: true,
    write: (own) => own.clear(),
    meanwhile: async (theirs) => {
      await theirs.clear()
      await set(theirs)
    },
    stays: 'other',
  },
  'a delete of what is there, another sets': {
    before: true,
    write: (own) => own.delete('k'),
    meanwhile: set,
    result: true,
    stays: 'other',
  },
  'a delete of what is there, another sets and deletes': {
    before: true,
    write: (own) => own.delete('k'),
    meanwhile: setAndDelete,
    result: true,
    stays: undefined,
  },
  'a delete of what is there, another sets what expires': {
    before: true,
    write: (own) => own.delete('k'),
    meanwhile: async (theirs) => {
      const gone = new Promise((resolve) => theirs.once('expire', resolve))
      await theirs.set('k', { by: 'other' }, 0.3)
      await gone
    },
    result: true,
    stays: undefined,
  },
  'a delete that never arrived of what is there, another deletes': {
    before: true,
    unsent: 1,
    write: (own) => own.delete('k'),
    meanwhile: (theirs) => theirs.delete('k'),
    result: false,
    stays: undefined,
  },
  'a set and a delete, another deletes': {
    write: (own) => Promise.all([own.set('k', { by: 'own' }), own.delete('k')]).then(([, found]) => found),
    meanwhile: (theirs) => theirs.delete('k'),
    result: false,
    stays: undefined,
  },
  'a delete of nothing and a set, another sets': {
    write: (own) => Promise.all([own.delete('k'), own.set('k', { by: 'own' })]).then(([found]) => found),
    meanwhile: set,
    result: false,
    // The set was never sent: it may come after that, or before.
    stays: null,
  },
  'a set that never arrived, another deletes nothing': {
    unsent: 1,
    write: (own) => own.set('k', { by: 'own' }),
    meanwhile: (theirs) => theirs.delete('k'),
    stays: 'own',
  },
  // They are published as one message, which never arrived.
  'two sets of a key that never arrived, another sets': {
    unsent: 1,
    write: (own) => Promise.all([own.set('k', { by: 'own 1' }), own.set('k', { by: 'own 2' })]),
    meanwhile: set,
    stays: 'own 2',
  },
  'a delete of nothing, another sets': {
    write: (own) => own.delete('k'),
    meanwhile: set,
    result: false,
    stays: 'other',
  },
}

const restarts: Record<string, (server: Server) => Promise<unknown>> = {
  'the link is cut': async () => {},
  'the server is killed': async (server) => {
    await server.kill()
    await server.restart()
  },
  'the server is stopped and started': async (server) => {
    await server.kill('SIGTERM')
    await server.restart()
  },
}

for (const [how, restart] of Object.entries(restarts)) {
  for (const [what, each] of Object.entries(cases)) {
    test(`${what}, ${how}`, async () => {
      const { before, unsent = 0, write, meanwhile, result, stays } = each
      await using stage = await Stage.set(before)
      const { own, theirs, proxy, site } = stage
      stage.isLosing = true
      stage.unsent = unsent
      const sent = stage.sent
      const written = write(own)
      await until('it is on its way', () => stage.sent > sent && stage.unsent === 0)
      // What the server has been given is taken.
      await stage.connection.flush()
      await until('it took effect', async () => (await stage.sequence()) >= stage.taken)
      const at = awake()
      await until('more time has passed than the clocks may differ', () => awake() - at > 50)
      await meanwhile(theirs)
      await restart(site.server)
      stage.isLosing = false
      proxy.cut()
      await proxy.heal()
      const outcome = await written
      // Of what was overwritten by then, a server that was restarted knows no more.
      const isKnown = how === 'the link is cut'
      if (isKnown && result !== undefined) assert.strictEqual(outcome, result)
      if (!isKnown || stays === null) await untilEqual(site.raw, [own, theirs])
      else await stage.check(stays)
    })
  }
}

test('a set that never reached a server that is killed then lies over what was written before it', async () => {
  await using stage = await Stage.set()
  const { own, theirs, proxy, site } = stage
  await set(theirs)
  proxy.freeze('there')
  const written = own.set('k', { by: 'own' })
  await site.server.kill()
  await site.server.restart()
  proxy.cut()
  await proxy.heal()
  await written
  await stage.check('own')
})

test('sets of a key are published as one; if that is refused, the one before it is accepted, also if the batch is sent again', async () => {
  await using site = await natsSite()
  const connection = await connect({ servers: site.server.url })
  await using client = createClient({
    transport: 'nats',
    connection,
    bucket: { maxBytes: 10_000 },
    livenessTimeout: 1000,
  })
  new Complaints(client)
  const publish = connection.publish.bind(connection)
  let lost = 0
  connection.publish = (subject, payload, options) => {
    if (subject.endsWith('.x') && lost++ === 0) return
    publish(subject, payload, options)
  }
  const items = client.database('test').collection<object>('items')
  await items.set('first', {})
  const calls = [items.set('k', { n: 1 }), items.set('k', { n: 2 })]
  const large = rejection(items.set('k', { large: 'x'.repeat(20_000) }))
  await Promise.all([...calls, items.set('x', {})])
  assert.strictEqual((await large).code, 'STORE_REFUSED')
  assert.ok(lost > 1, 'the batch was sent again')
  assert.deepStrictEqual((await readStore(site.raw, 'items')).get('k'), { n: 2 })
  await client.close()
  await connection.close()
})

test('some writes of a batch are accepted, and the others never reach JetStream: none is refused as not stored', async () => {
  await using site = await natsSite()
  const connection = await connect({ servers: site.server.url })
  await using client = createClient({ transport: 'nats', connection, writeTimeout: 1500 })
  new Complaints(client)
  const publish = connection.publish.bind(connection)
  // Nobody takes the subject, as while the stream's leader changes: the server answers that at once.
  const unheard = new Set<string | undefined>()
  connection.publish = (subject, payload, options) => {
    if (!subject.endsWith('.x')) return publish(subject, payload, options)
    unheard.add(options?.reply)
    publish('nobody', payload, options)
  }
  const items = client.database('test').collection<object>('items')
  await items.set('first', {})
  const accepted = items.set('k', { n: 1 })
  const errors = await Promise.all([accepted, items.set('x', {})].map((call) => rejection(call)))
  assert.ok(unheard.size > 1, 'the batch was sent again')
  assert.deepStrictEqual((await readStore(site.raw, 'items')).get('k'), { n: 1 })
  assert.deepStrictEqual(
    errors.map(({ code, stored }) => [code, stored]),
    [
      ['WRITE_TIMEOUT', 'unknown'],
      ['WRITE_TIMEOUT', 'unknown'],
    ],
  )
  assert.strictEqual((await rejection(items.set('x', {}))).stored, 'no')
  await client.close()
  await connection.close()
})

for (const [what, call, isMark] of [
  ['a set', (items: Items) => items.set('k', { by: 'late' }), (subject: string) => subject.endsWith('.k')],
  ['a clear', (items: Items) => items.clear(), (subject: string) => subject.endsWith('.=')],
] as const) {
  test(`${what} that was given up, and arrives after a newer set: it is passed over (W4)`, async () => {
    await using site = await natsSite()
    const connection = await connect({ servers: site.server.url })
    await using client = createClient({ transport: 'nats', connection, writeTimeout: 1000 })
    new Complaints(client)
    const publish = connection.publish.bind(connection)
    const late: (() => void)[] = []
    let isHeld = false
    // As on a connection that was lost, from which the server reads on.
    connection.publish = (subject, payload, options) => {
      if (isHeld && isMark(subject)) late.push(() => publish(subject, payload, { ...options, reply: 'nobody' }))
      else publish(subject, payload, options)
    }
    const items: Items = client.database('test').collection('items')
    await items.set('first', { by: 'own' })
    isHeld = true
    assert.strictEqual((await rejection(call(items))).stored, 'unknown')
    isHeld = false
    await items.set('k', { by: 'own' })
    assert.ok(late.length > 0)
    for (const go of late) go()
    // The server takes them in the order of the connection.
    await items.set('last', { by: 'own' })
    await items.subscribe()
    assert.deepStrictEqual([...items.keys()].sort(), ['first', 'k', 'last'])
    assert.deepStrictEqual(items.get('k'), { by: 'own' })
    assert.strictEqual(await site.raw.last('test', '$KV.memis-test.items.='), undefined)
    await client.close()
    await connection.close()
  })
}

/** A client that is connected by a proxy, and another one, both with a replica. */
class Stage implements AsyncDisposable {
  readonly clients: Client[] = []
  /** Acknowledgements are lost. */
  isLosing = false
  /** So many messages of the key are lost from now on. */
  unsent = 0
  /** How many of the client's messages with items or marks were sent, and what the stream's last number is where all were taken. */
  sent = 0
  taken = 0

  private constructor(
    readonly site: Awaited<ReturnType<typeof natsSite>>,
    readonly proxy: TcpProxy,
    readonly connection: NatsConnection,
  ) {
    const publish = connection.publish.bind(connection)
    connection.publish = (subject, payload, options) => {
      if (subject.startsWith('$KV.')) this.sent++
      if (this.unsent > 0 && subject.endsWith('.k')) this.unsent--
      else {
        if (subject.startsWith('$KV.')) this.taken++
        publish(subject, payload, options)
      }
    }
    passAcks(connection, (tell) => this.isLosing || tell())
  }

  get own(): Items {
    return this.clients[0]?.database('test').collection('items') as Items
  }

  get theirs(): Items {
    return this.clients[1]?.database('test').collection('items') as Items
  }

  static async set(before = false): Promise<Stage> {
    const site = await natsSite()
    const proxy = await startProxy(site.server.port)
    const forEver = { maxReconnectAttempts: -1, reconnectTimeWait: 50 }
    const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, ...forEver })
    // The link ends when it is cut, and not before.
    const patient = { livenessTimeout: 30_000, writeTimeout: 60_000 }
    const stage = new Stage(site, proxy, connection)
    // A client listens for answers as soon as it is made.
    stage.clients.push(createClient({ transport: 'nats', connection, ...patient }), site.client(patient))
    for (const client of stage.clients) new Complaints(client)
    const { own, theirs } = stage
    await Promise.all([own.subscribe(), theirs.subscribe()])
    await own.set('other', { by: 'own' })
    if (before) await theirs.set('k', { by: 'before' })
    stage.taken = await stage.sequence()
    await until('both have heard', () => [own, theirs].every((items) => items.size === (before ? 2 : 1)))
    return stage
  }

  /** The number of the stream's last message. */
  async sequence(): Promise<number> {
    return (await this.site.raw.ask('STREAM.INFO.KV_memis-test')).state.last_seq
  }

  /** That is what the store and both replicas have. */
  async check(by: string | undefined): Promise<void> {
    const expected = by === undefined ? undefined : { by }
    // What expired goes a little later.
    const isSo = async () => isDeepStrictEqual((await readStore(this.site.raw, 'items')).get('k'), expected)
    await until(`${by} stays`, isSo, 5000)
    await untilEqual(this.site.raw, [this.own, this.theirs])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
    await this.connection.close()
    await this.proxy.close()
    await this.site[Symbol.asyncDispose]()
  }
}

test.run()
