/**
 * What must compile, and what must not. Nothing here runs: `tsc --noEmit` reads it, and an `@ts-expect-error` above a line
 * that compiles is an error itself.
 */
import type { RedisClientType } from 'redis'
import {
  type Client,
  type Clock,
  type Collection,
  createClient,
  type Database,
  type DeepReadonly,
  type Entry,
  type ErrorCode,
  errorCodes,
  type Freshness,
  type ItemEntry,
  MemisError,
  type MemoryHub,
  type Milliseconds,
  type Seconds,
  type Transport,
} from '../../src/index'
import { same } from './same'

interface Artist {
  genre: string
  born?: number
  tags?: string[]
  origin?: { country: string; since: { year: number }[] }
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

same<ReturnType<typeof artists.get>, DeepReadonly<Artist> | undefined>()
same<typeof artists.size, number>()
const map: ReadonlyMap<string, DeepReadonly<Artist>> = artists
const copy = new Map(artists)
same<typeof copy, Map<string, DeepReadonly<Artist>>>()
for (const [key, artist] of artists) {
  same<typeof key, string>()
  same<typeof artist, DeepReadonly<Artist>>()
}
artists.forEach((artist, key, all) => {
  same<typeof artist, DeepReadonly<Artist>>()
  same<typeof key, string>()
  all.get(key)
})
same<ReturnType<typeof artists.keys>, MapIterator<string>>()
same<ReturnType<typeof artists.values>, MapIterator<DeepReadonly<Artist>>>()
same<ReturnType<typeof artists.entries>, MapIterator<[string, DeepReadonly<Artist>]>>()
// @ts-expect-error what get gives may be undefined
artists.get('coldplay').genre
for (const artist of artists.values()) {
  // @ts-expect-error it is shared, and frozen
  artist.genre = 'Pop'
  // @ts-expect-error at every depth
  artist.tags?.push('pop')
  // @ts-expect-error at every depth
  artist.origin.country = 'UK'
  // @ts-expect-error at every depth
  artist.origin?.since.sort()
  for (const since of artist.origin?.since ?? []) {
    // @ts-expect-error at every depth
    since.year = 1996
  }
  artist.tags?.map((tag) => tag.length)
}
same<ReturnType<typeof artists.entry>, ItemEntry<Artist> | undefined>()
same<ItemEntry<Artist>['expiresIn'], number | null>()
// @ts-expect-error it is told, not set
artists.entry('coldplay').item = { genre: 'Pop' }
// @ts-expect-error there is no such field
artists.get('coldplay')?.gender
// @ts-expect-error a key is a string
artists.get(1)
// @ts-expect-error it is no Map: set gives a promise
const mutable: Map<string, Artist> = artists
// @ts-expect-error the items are Artists
const others: ReadonlyMap<string, DeepReadonly<Venue>> = artists
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
// @ts-expect-error there is no such option
artists.set('coldplay', { genre: 'Alternative' }, { EX: 10 })
artists.set('coldplay', { genre: 'Alternative' }, { ttl: 60, ifAbsent: true })
artists.set('coldplay', { genre: 'Alternative' }, { ttl: 'keep', ifRevision: 'e.1' })
// @ts-expect-error a revision is a string
artists.set('coldplay', { genre: 'Alternative' }, { ifRevision: 1 })
const known = artists.get('coldplay')
if (known !== undefined) artists.set('coldplay', { ...known, genre: 'Pop' })
if (known !== undefined) artists.set('copy', known)
// @ts-expect-error get may have returned undefined
artists.set('copy', artists.get('coldplay'))
// @ts-expect-error a key is needed: clear() deletes all
artists.delete()
artists.delete('coldplay', { ifRevision: 'e.1' })
artists.update('coldplay', (artist) => artist && { ...artist, genre: 'Pop' })
artists.update('coldplay', () => undefined, { ttl: 60, signal: AbortSignal.timeout(1000) })
// @ts-expect-error it may be absent
artists.update('coldplay', (artist) => ({ ...artist, born: artist.born }))
artists.update('coldplay', (artist) => {
  // @ts-expect-error it is shared, and frozen
  artist?.tags?.push('pop')
  return artist
})
artists.patch('coldplay', { born: 1997 })
// @ts-expect-error there is no such field
artists.patch('coldplay', { city: 'London' })
same<ReturnType<typeof artists.increment>, Promise<number>>()
artists.increment('coldplay', 'born')
// @ts-expect-error it is not a number
artists.increment('coldplay', 'genre')
artists.touch('coldplay', 60)
// @ts-expect-error a ttl is needed
artists.touch('coldplay')
artists.setMany([['coldplay', { genre: 'Alternative' }]], { ttl: 60 })
artists.setMany({ coldplay: { genre: 'Alternative' } })
artists.setMany(artists)
// @ts-expect-error the items are Artists
artists.setMany(venues)
artists.replaceAll(new Map(artists), { dryRun: true })
artists.transaction((t) => {
  t.check('coldplay', null)
  t.set('coldplay', { genre: 'Alternative' }, 60)
  t.delete('u2')
  // @ts-expect-error the items are Artists
  t.set('coldplay', { city: 'London' })
})

// Subscribing

same<ReturnType<typeof artists.subscribe>, Promise<void>>()
artists.subscribe()
artists.subscribe({})
artists.subscribe({ signal: AbortSignal.timeout(1000) })
same<ReturnType<typeof artists.unsubscribe>, void>()
same<typeof artists.freshness, Freshness>()
same<Freshness['state'], 'idle' | 'syncing' | 'live' | 'stale'>()
same<Freshness['age'], number | null>()
same<Freshness['reason'], MemisError | null>()
same<ReturnType<typeof artists.whenLive>, Promise<void>>()
artists.whenLive({ signal: AbortSignal.timeout(1000) })
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
  readOnly: true,
  maxItems: 1,
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
// @ts-expect-error a variable of the environment may be undefined
createClient(process.env.REDIS_URL)
// @ts-expect-error a variable of the environment may be undefined
createClient({ url: process.env.REDIS_URL })
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

const failed = new MemisError('CLOSED', 'closed')
same<typeof failed.code, ErrorCode>()
same<typeof failed.stored, 'no' | 'unknown' | undefined>()
same<typeof failed.cause, unknown>()
same<typeof failed.retryable, boolean>()
same<typeof failed.key, string | undefined>()
same<typeof failed.current, ItemEntry<unknown> | undefined>()
errorCodes.CLOSED.meaning satisfies string
errorCodes.CLOSED.httpStatus satisfies number
const status: number | null = errorCodes[failed.code].httpStatus
if (failed.code === 'CONFLICT') failed.current?.revision satisfies string | undefined
// @ts-expect-error it is told, not set
failed.retryable = true
// @ts-expect-error there is no such code
new MemisError('OOPS', 'closed')
// @ts-expect-error a code is told, not set
new MemisError('CLOSED', 'closed').code = 'ABORTED'

// A transport of one's own

const clock: Clock = { now: () => 0, setTimeout: () => 1, clearTimeout() {} }
const entry: Entry = { key: 'a', epoch: 'e', n: 1, item: {}, leftMs: null }
const minimal: Transport = {
  name: 'mine',
  lacks: [{ clause: 'X4', reason: 'it does not expire by itself' }],
  clock,
  maxItemBytes: 1,
  open: (host) => host.up(),
  write: async (_id, { writes }) => writes.map((_, i) => ({ epoch: 'e', n: i + 1, existed: false })),
  merge: async (_id, _base, entries) => entries.map(() => ({ current: null })),
  watch: (_id, _from, sink) => {
    sink.begin('snapshot', [{ id: 'e', floor: 0 }])
    sink.entries([entry, { ...entry, n: 2, item: null, cause: 'expire' }])
    sink.live({ epoch: 'e', n: 2 })
    return { close() {} }
  },
  beginEpoch: async () => true,
  close: async () => {},
}
// @ts-expect-error an entry has an item, or null
minimal.watch = (_id, _from, sink) => sink.entries([{ key: 'a', epoch: 'e', n: 1, leftMs: null }])

// Durations: the names of the types say the unit; both are numbers.
same<Seconds, number>()
same<Milliseconds, number>()

export { map, mutable, others, status, use }
