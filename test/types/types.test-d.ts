/**
 * What must compile, and what must not. Nothing here runs: `tsc --noEmit` reads it, and an `@ts-expect-error` above a line
 * that compiles is an error itself.
 */
import type { RedisClientType } from 'redis'
import {
  type ChangeInfo,
  type Client,
  type Clock,
  type Collection,
  createClient,
  type Database,
  type ErrorCode,
  errorCodes,
  type Freshness,
  MemisError,
  type MemoryHub,
  type ReadyInfo,
  type Transport,
} from '../../src/index'

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
/** Compiles where the two are the same type, and not only assignable. */
const same = <A, B>(..._: Equal<A, B> extends true ? [] : ['these types differ']): void => {}

interface Artist {
  genre: string
  born?: number
}
type Venue = { city: string }

declare const client: Client
declare const artists: Collection<Artist>
declare const venues: Collection<Venue>
declare const hub: MemoryHub
declare const transport: Transport
declare const native: RedisClientType

// Opening

same<ReturnType<Client['database']>, Database>()
same<typeof artists, ReturnType<typeof opened>>()
const opened = () => client.database('db').collection<Artist>('artists')
client.database('db').collection<Venue>('venues')
client.database('db').collection<{ anything: unknown }>('x')
client.database('db').collection('untyped').set('a', { whatever: 1 })
// @ts-expect-error a name is a string
client.database(1)
// @ts-expect-error a name is needed
client.database('db').collection<Artist>()
// @ts-expect-error an item is an object
client.database('db').collection<string>('artists')

// Reading

same<ReturnType<typeof artists.get>, Readonly<Artist> | undefined>()
same<typeof artists.size, number>()
const map: ReadonlyMap<string, Readonly<Artist>> = artists
const copy = new Map(artists)
same<typeof copy, Map<string, Readonly<Artist>>>()
for (const [key, artist] of artists) {
  same<typeof key, string>()
  same<typeof artist, Readonly<Artist>>()
}
artists.forEach((artist, key, all) => {
  same<typeof artist, Readonly<Artist>>()
  same<typeof key, string>()
  all.get(key)
})
same<ReturnType<typeof artists.keys>, MapIterator<string>>()
same<ReturnType<typeof artists.values>, MapIterator<Readonly<Artist>>>()
same<ReturnType<typeof artists.entries>, MapIterator<[string, Readonly<Artist>]>>()
// @ts-expect-error what get gives may be undefined
artists.get('coldplay').genre
for (const artist of artists.values()) {
  // @ts-expect-error it is shared, and frozen
  artist.genre = 'Pop'
}
// @ts-expect-error there is no such field
artists.get('coldplay')?.gender
// @ts-expect-error a key is a string
artists.get(1)
// @ts-expect-error it is no Map: set gives a promise
const mutable: Map<string, Artist> = artists
// @ts-expect-error the items are Artists
const others: ReadonlyMap<string, Readonly<Venue>> = artists
// @ts-expect-error size is told, not set
artists.size = 0

// Writing

same<ReturnType<typeof artists.set>, Promise<void>>()
same<ReturnType<typeof artists.delete>, Promise<boolean>>()
same<ReturnType<typeof artists.clear>, Promise<void>>()
artists.set('coldplay', { genre: 'Alternative' })
artists.set('coldplay', { genre: 'Alternative', born: 1996 }, 3600 * 24)
artists.set('coldplay', { genre: 'Alternative' }, undefined)
artists.set('coldplay', Object.freeze({ genre: 'Alternative' }))
artists.set('copy', artists.get('coldplay') ?? { genre: 'none' })
// @ts-expect-error a field is missing
artists.set('coldplay', {})
// @ts-expect-error a field is of another type
artists.set('coldplay', { genre: 1 })
// @ts-expect-error there is no such field
artists.set('coldplay', { genre: 'Alternative', city: 'London' })
// @ts-expect-error an item is no array
artists.set('coldplay', [{ genre: 'Alternative' }])
// @ts-expect-error an item is needed
artists.set('coldplay')
// @ts-expect-error a key is a string
artists.set(1, { genre: 'Alternative' })
// @ts-expect-error a ttl is a number, of seconds
artists.set('coldplay', { genre: 'Alternative' }, '1 day')
// @ts-expect-error a ttl is no object, as it is in other clients
artists.set('coldplay', { genre: 'Alternative' }, { EX: 10 })
// @ts-expect-error what set was given may be undefined
artists.set('copy', artists.get('coldplay'))
// @ts-expect-error a key is needed: clear() deletes all
artists.delete()

// Events

artists.on('set', (key, artist, change) => {
  same<typeof key, string>()
  same<typeof artist, Readonly<Artist>>()
  same<typeof change, ChangeInfo<Artist>>()
  same<typeof change.previous, Readonly<Artist> | undefined>()
  same<typeof change.cause, 'snapshot' | 'live' | 'resync'>()
  same<typeof change.revision, string>()
  // @ts-expect-error it is shared, and frozen
  artist.genre = 'Pop'
})
artists.once('expire', (_key, last) => same<typeof last, Readonly<Artist>>())
artists.on('ready', (info) => same<typeof info, ReadyInfo>())
artists.on('stale', (error) => same<typeof error, MemisError>())
artists.on('set', async (key) => {
  await artists.delete(key)
})
artists.on('set', (key) => artists.set(key, { genre: '' }))
artists.on('delete', () => 42)
same<ReturnType<typeof artists.on>, Collection<Artist>>()
same<ReturnType<typeof artists.multi>, Collection<Artist>>()
artists
  .on('set', () => {})
  .once('delete', () => {})
  .multi('expire delete', () => {})
  .off('set', () => {})
client.on('error', (error) => {
  same<typeof error, MemisError>()
  same<typeof error.code, ErrorCode>()
})
client.on('connect', () => {}).on('close', () => {})
client.on('disconnect', (error) => same<typeof error, MemisError>())
// @ts-expect-error there is no such event
artists.on('sets', () => {})
// @ts-expect-error a collection has no event error: the client has
artists.on('error', () => {})
// @ts-expect-error a client has no event set
client.on('set', () => {})
// @ts-expect-error the item is an Artist
artists.on('set', (_key: string, venue: Venue) => venue.city)
// @ts-expect-error the key comes first
artists.on('set', (artist: Artist) => artist.genre)
// @ts-expect-error a listener is needed
artists.on('set')
// @ts-expect-error events are told by memis alone
artists.emit('set', 'coldplay', { genre: 'Alternative' })
// @ts-expect-error events are told by memis alone
client.emit('connect')
// @ts-expect-error listeners are taken away one by one
artists.removeAllListeners()

artists.multi('expire delete', (key, last, change) => {
  same<typeof key, string>()
  same<typeof last, Readonly<Artist>>()
  same<typeof change, ChangeInfo<Artist>>()
})
artists.multi('set', (_key, artist) => same<typeof artist, Readonly<Artist>>())
artists.multi('set  expire\tdelete\nset ', (key) => same<typeof key, string>())
artists.multi('ready stale', () => {})
client.multi('connect close', () => {})
venues.multi('set delete', (_key, { city }) => city.length)
// @ts-expect-error there is no such event
artists.multi('expire deleted', () => {})
// @ts-expect-error names are separated by white space
artists.multi('expire,delete', () => {})
// @ts-expect-error names are given in one string
artists.multi(['expire', 'delete'], () => {})
// @ts-expect-error the item is an Artist
artists.multi('expire delete', (_key: string, venue: Venue) => venue.city)
// @ts-expect-error a client has no event delete
client.multi('connect delete', () => {})

// Subscribing

same<ReturnType<typeof artists.subscribe>, Promise<void>>()
artists.subscribe()
artists.subscribe({})
artists.subscribe({ signal: AbortSignal.timeout(1000) })
same<ReturnType<typeof artists.unsubscribe>, void>()
same<typeof artists.freshness, Freshness>()
same<Freshness['state'], 'idle' | 'syncing' | 'live' | 'stale'>()
same<Freshness['age'], number | null>()
// @ts-expect-error a signal, not its controller
artists.subscribe({ signal: new AbortController() })
// @ts-expect-error there is no such option
artists.subscribe({ timeout: 1000 })
// @ts-expect-error a signal is given by name
artists.subscribe(AbortSignal.timeout(1000))
// @ts-expect-error it is told, not set
artists.freshness = { state: 'live', since: 0, age: 0 }

// Making a client

createClient()
createClient('redis://localhost:6379')
createClient({ url: 'memory:name' })
createClient({ transport: 'memory' })
createClient({ transport: 'memory', hub })
createClient({ transport: 'redis' })
createClient({ transport: 'redis', url: 'redis://localhost', username: 'a', password: 'b', database: 3 })
createClient({ transport: 'redis', socket: { host: 'localhost', port: 6379, tls: true }, name: 'memis' })
createClient({ transport: 'redis', client: native })
createClient({ transport })
createClient({
  transport: 'memory',
  prefix: 'shop',
  writeTimeout: 1,
  maxPending: 1,
  maxPendingBytes: 1,
  livenessTimeout: 100,
  auditInterval: 10,
  retention: 0,
  maxItemBytes: 2,
  dataLoss: 'accept',
})
same<ReturnType<typeof createClient>, Client>()
// @ts-expect-error there is no such transport
createClient({ transport: 'mysql' })
// @ts-expect-error a hub is a MemoryHub
createClient({ transport: 'memory', hub: {} })
// @ts-expect-error memory has no such option
createClient({ transport: 'memory', password: 'x' })
// @ts-expect-error Redis has no hub
createClient({ transport: 'redis', hub })
// @ts-expect-error a timeout is a number, of ms
createClient({ transport: 'memory', writeTimeout: '10 s' })
// @ts-expect-error one of two words
createClient({ transport: 'memory', dataLoss: 'ignore' })
// @ts-expect-error there is no such option
createClient({ transport: 'memory', writeTimeOut: 1 })
// @ts-expect-error memis has a queue of its own
createClient({ transport: 'redis', disableOfflineQueue: true })
// @ts-expect-error memis has a heartbeat of its own
createClient({ transport: 'redis', pingInterval: 1000 })
// @ts-expect-error memis has names of its own
createClient({ transport: 'redis', keyPrefix: 'x' })
// @ts-expect-error with a client of your own, all else is said
createClient({ transport: 'redis', client: native, url: 'redis://localhost' })
// @ts-expect-error a transport has methods
createClient({ transport: { name: 'mine' } })
// @ts-expect-error a transport of your own has options of its own
createClient({ transport, url: 'redis://localhost' })
// @ts-expect-error either nothing, a URL or options
createClient(6379)
// @ts-expect-error a client is made by createClient
;new (Object.getPrototypeOf(client).constructor as typeof Client)(transport, {})

same<ReturnType<Client['connect']>, Promise<void>>()
same<ReturnType<Client['close']>, Promise<void>>()
const use = async () => {
  await using disposed = createClient('memory:')
  return disposed.errorCounts.DISCONNECTED satisfies number | undefined
}
// @ts-expect-error the counts are told, not set
client.errorCounts.DISCONNECTED = 0

// Errors

const { code, stored, cause } = new MemisError('CLOSED', 'closed')
same<typeof code, ErrorCode>()
same<typeof stored, 'no' | 'unknown' | undefined>()
same<typeof cause, unknown>()
errorCodes.CLOSED satisfies string
// @ts-expect-error there is no such code
new MemisError('OOPS', 'closed')
// @ts-expect-error a code is told, not set
new MemisError('CLOSED', 'closed').code = 'ABORTED'

// A transport of one's own

const clock: Clock = { now: () => 0, setTimeout: () => 1, clearTimeout() {} }
const minimal: Transport = {
  name: 'mine',
  lacks: [{ clause: 'X4', reason: 'it does not expire by itself' }],
  clock,
  maxItemBytes: 1,
  open: (host) => host.up(),
  write: async (_place, { writes }) => ({ epoch: 'e', outcomes: writes.map((_, i) => ({ n: i + 1, existed: false })) }),
  watch: (_place, _from, sink) => {
    sink.begin('whole', 'e', 0)
    sink.changes([{ kind: 'set', key: 'a', n: 1, item: {}, leftMs: null }])
    sink.changes([{ kind: 'expire', key: 'a', n: 2 }])
    sink.live(2)
    return { close() {} }
  },
  close: async () => {},
}
// @ts-expect-error a set has an item
minimal.watch = (_place, _from, sink) => sink.changes([{ kind: 'set', key: 'a', n: 1 }])

export { map, mutable, others, use }
