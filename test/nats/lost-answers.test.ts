/**
 * A write whose answer was lost goes again, and another client has written its key meanwhile: what that one wrote stays, also where
 * the server was started anew and knows of the first try no more, and `delete` tells what the first try found.
 */
import assert from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { connect, type NatsConnection } from 'nats'
import { type Client, type Collection, createClient } from '../../src'
import { startProxy, type TcpProxy } from '../support/proxy'
import type { Server } from '../support/servers'
import {
  awake,
  Complaints,
  holdSessions,
  natsSite,
  passAcks,
  readStore,
  rejection,
  suiteOnAll,
  until,
  untilEqual,
} from './support'

const test = suiteOnAll('lost answers')

type Items = Collection<{ by: string }>

interface Case {
  /** Whether the key is there before. */
  readonly before?: boolean
  /** So many writes are a batch. */
  readonly batchWrites?: number
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
  'two sets of a key, of which the first never arrived, another sets': {
    unsent: 1,
    write: (own) => Promise.all([own.set('k', { by: 'own 1' }), own.set('k', { by: 'own 2' })]),
    meanwhile: set,
    stays: 'other',
  },
  'two batches that set a key, of which the first never arrived, another sets': {
    unsent: 1,
    batchWrites: 1,
    write: (own) => Promise.all([own.set('k', { by: 'own 1' }), own.set('k', { by: 'own 2' })]),
    meanwhile: set,
    stays: 'other',
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
    test.together(`${what}, ${how}`, async (version) => {
      const { before, batchWrites = 1000, unsent = 0, write, meanwhile, result, stays } = each
      await using stage = await Stage.set(version, before)
      const { own, theirs, proxy, site } = stage
      for (const client of stage.clients) client.writer.batchWrites = batchWrites
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
      if (result !== undefined) assert.strictEqual(outcome, result)
      if (stays === null) await untilEqual(site.raw, [own, theirs])
      else await stage.check(stays)
    })
  }
}

test('a set that never reached a server that is killed then lies over what was written before it', async (version) => {
  await using stage = await Stage.set(version)
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

test('a set that never reached a server that is killed, another sets: by then the own replica has forgotten what was before', async (version) => {
  await using stage = await Stage.set(version)
  const { own, theirs, proxy, site, connection } = stage
  await own.set('k', { by: 'own, before' })
  stage.unsent = 1
  const written = own.set('k', { by: 'own' })
  await until('it is lost', () => stage.unsent === 0)
  const at = awake()
  await until('more time has passed than the clocks may differ', () => awake() - at > 50)
  proxy.freeze('back')
  await set(theirs)
  const open = holdSessions(connection)
  await restarts['the server is killed']?.(site.server)
  proxy.cut()
  await proxy.heal()
  await written
  open()
  assert.notDeepStrictEqual(own.get('k'), { by: 'own, before' })
  await stage.check('other')
})

test('a write that was refused stays so where another of its batch goes again, and a later one of its key was taken', async (version) => {
  await using site = await natsSite(version)
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
  const large = rejection(items.set('k', { large: 'x'.repeat(20_000) }))
  const others = [items.set('k', { small: true }), items.set('x', {})]
  await Promise.all(others)
  assert.strictEqual((await large).code, 'STORE_REFUSED')
  assert.ok(lost > 1, 'it was given again')
  await client.close()
  await connection.close()
})

/** A client that is connected by a proxy, and another one, both with a replica. */
class Stage implements AsyncDisposable {
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
    readonly clients: readonly Client[],
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

  static async set(version: Parameters<typeof natsSite>[0], before = false): Promise<Stage> {
    const site = await natsSite(version)
    const proxy = await startProxy(site.server.port)
    const forEver = { maxReconnectAttempts: -1, reconnectTimeWait: 50 }
    const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, ...forEver })
    // The link ends when it is cut, and not before.
    const patient = { livenessTimeout: 30_000, writeTimeout: 60_000 }
    const clients = [createClient({ transport: 'nats', connection, ...patient }), site.client(patient)]
    const stage = new Stage(site, proxy, connection, clients)
    for (const client of clients) new Complaints(client)
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
    return (await this.site.raw.ask('STREAM.INFO.KV_test')).state.last_seq
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
