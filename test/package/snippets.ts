/**
 * What must not compile, and beside it what must: the pair shows that it is the mistake that fails. Each stands behind
 * `prelude`, inside an async function.
 */
export const prelude = `
import { createClient, type DeepReadonly, type MemisError, MemoryHub, type Transport } from 'memis'
interface Artist { genre: string; plays?: number; tour?: { start: number } }
const client = createClient({ transport: 'memory', hub: new MemoryHub() })
const artists = client.database('region-nl').collection<Artist>('artists')
declare const artist: Artist
declare const transport: Transport
declare const error: MemisError
`

export interface Snippet {
  wrong: string
  right: string
  /** It takes the types of this optional peer to tell. */
  needs?: 'redis'
}

export const snippets: Snippet[] = [
  { wrong: `artists.set('a', { genre: 1 })`, right: `artists.set('a', { genre: 'Alternative' })` },
  { wrong: `artists.set('a', {})`, right: `artists.set('a', artist)` },
  { wrong: `artists.set('a', { ...artist, gendre: 'x' })`, right: `artists.set('a', { ...artist, genre: 'x' })` },
  { wrong: `artists.set('a')`, right: `artists.set('a', artist, 0.5)` },
  { wrong: `artists.set('a', artist, '60')`, right: `artists.set('a', artist, 60)` },
  { wrong: `artists.set(1, artist)`, right: `artists.set('1', artist)` },
  { wrong: `const n: number = await artists.delete('a')`, right: `const had: boolean = await artists.delete('a')` },
  { wrong: `artists.get('a').genre`, right: `artists.get('a')?.genre` },
  { wrong: `artists.get('a')!.genre = 'x'`, right: `artists.get('a')!.genre === 'x'` },
  { wrong: `artists.size = 1`, right: `artists.size + 1` },
  {
    wrong: `const map: Map<string, Artist> = artists`,
    right: `const map: ReadonlyMap<string, DeepReadonly<Artist>> = artists`,
  },
  { wrong: `artists.get('a')!.tour!.start = 1`, right: `artists.get('a')!.tour!.start === 1` },
  {
    wrong: `artists.set('a', artist, { ttl: 60, ifAbsnt: true })`,
    right: `artists.set('a', artist, { ttl: 60, ifAbsent: true }); artists.set('a', artist, { ttl: 'keep', ifRevision: 'x' })`,
  },
  { wrong: `artists.set('a', artist, 'keep')`, right: `artists.set('a', artist, { ttl: 'keep' })` },
  {
    wrong: `artists.delete('a', { ifAbsent: true })`,
    right: `artists.delete('a', { ifRevision: artists.entry('a')!.revision })`,
  },
  { wrong: `artists.entry('a').item`, right: `const left: number | null | undefined = artists.entry('a')?.expiresIn` },
  {
    wrong: `artists.update('a', (artist) => ({ plays: 1 }))`,
    right: `const stored = await artists.update('a', (artist) => artist && { ...artist, plays: 1 }); stored?.genre`,
  },
  { wrong: `artists.patch('a', { gendre: 'x' })`, right: `artists.patch('a', { genre: 'x' })` },
  { wrong: `artists.increment('a', 'genre')`, right: `artists.increment('a', 'plays', 2)` },
  { wrong: `artists.touch('a')`, right: `const had: boolean = await artists.touch('a', 60)` },
  {
    wrong: `artists.setMany([['a']])`,
    right: `artists.setMany([['a', artist]]); artists.setMany({ a: artist }, { ttl: 1 }); artists.setMany(artists)`,
  },
  {
    wrong: `artists.replaceAll({ a: 1 })`,
    right: `const { set, deleted } = await artists.replaceAll(new Map([['a', artist]]), { dryRun: true })`,
  },
  {
    wrong: `artists.transaction((t) => t.check('a'))`,
    right: `artists.transaction((t) => { t.check('a', null); t.set('a', artist, 'keep'); t.delete('b') })`,
  },
  {
    wrong: `artists.watch({ keys: ['a'] }, () => {})`,
    right: `const stop: () => void = artists.watch({ prefix: 'a' }, (artist, key) => artist?.genre ?? key)`,
  },
  {
    wrong: `artists.waitFor('a', (artist) => artist.genre === 'x')`,
    right: `const found = await artists.waitFor('a', (artist) => artist?.genre === 'x', { signal: AbortSignal.timeout(9) })`,
  },
  {
    wrong: `for await (const change of artists.changes()) change.value`,
    right: `for await (const { kind, item } of artists.changes({ prefix: 'a' })) if (kind === 'set') item.genre`,
  },
  { wrong: `artists.reached(1)`, right: `artists.reached('x', { signal: AbortSignal.timeout(9) })` },
  {
    wrong: `artists.freshness.reason.code`,
    right: `const code = artists.freshness.reason?.code; await artists.whenLive()`,
  },
  { wrong: `for (const [key] of artists) key.nothing`, right: `for (const [key, { genre }] of artists) key + genre` },
  { wrong: `artists.on('change', () => {})`, right: `artists.on('set', () => {})` },
  { wrong: `artists.on('set', (key: number) => {})`, right: `artists.on('set', (key: string) => {})` },
  {
    wrong: `artists.on('set', (key, artist) => artist.name)`,
    right: `artists.on('set', (key, artist) => artist.genre)`,
  },
  { wrong: `artists.on('expire', (key, last) => last.name)`, right: `artists.on('expire', (key, last) => last.genre)` },
  {
    wrong: `artists.on('set', (key, artist, change) => change.cause === 'remote')`,
    right: `artists.on('set', (key, artist, change) => change.cause === 'resync')`,
  },
  {
    wrong: `artists.multi('expire delete', (key, last) => last.name)`,
    right: `artists.multi('expire delete', (key, last) => last.genre)`,
  },
  {
    wrong: `artists.multi('expire remove', () => {})`,
    right: `artists.multi('set  expire delete', (key) => key.length).multi('ready stale', () => {})`,
  },
  {
    wrong: `artists.on('set', () => {}).off('set')`,
    right: `artists.on('set', () => {}).off('set', () => {}).once('ready', () => {})`,
  },
  { wrong: `artists.emit('set', 'a', artist)`, right: `artists.has('a')` },
  { wrong: `artists.subscribe({ signal: 'now' })`, right: `artists.subscribe({ signal: AbortSignal.timeout(1000) })` },
  { wrong: `client.database('x').collection<string>('y')`, right: `client.database('x').collection<Artist>('y')` },
  { wrong: `client.database(1)`, right: `client.database('1')` },
  { wrong: `client.on('set', () => {})`, right: `client.on('error', (error) => error.message)` },
  { wrong: `client.on('error', (error) => error.reason)`, right: `client.on('connect', () => {})` },
  { wrong: `client.close().nothing`, right: `await client.close(); await client[Symbol.asyncDispose]()` },
  { wrong: `createClient({ transport: 'mysql' })`, right: `createClient({ transport: 'redis' })` },
  { wrong: `createClient({ transport: {} })`, right: `createClient({ transport })` },
  { wrong: `createClient(6379)`, right: `createClient('redis://localhost:6379'); createClient()` },
  {
    wrong: `createClient({ transport: 'memory', hub: {} })`,
    right: `createClient({ transport: 'memory', hub: new MemoryHub() })`,
  },
  {
    wrong: `createClient({ transport: 'memory', writeTimeout: '10 s' })`,
    right: `createClient({ transport: 'memory', writeTimeout: 10_000 })`,
  },
  {
    wrong: `createClient({ transport: 'memory', writeTimout: 1 })`,
    right: `createClient({ transport: 'memory', prefix: 'x', maxPending: 1, maxItemBytes: 1, retention: 1 })`,
  },
  {
    wrong: `createClient({ transport: 'memory', dataLoss: 'ignore' })`,
    right: `createClient({ transport: 'memory', dataLoss: 'accept', readOnly: true })`,
  },
  {
    wrong: `createClient({ transport: 'redis', socket: { port: '6379' } })`,
    right: `createClient({ transport: 'redis', socket: { port: 6379 }, username: 'x' })`,
    needs: 'redis',
  },
  {
    wrong: `createClient({ transport: 'redis', livenessTimeout: '15 s' })`,
    right: `createClient({ transport: 'redis', url: 'redis://localhost', livenessTimeout: 15_000 })`,
    needs: 'redis',
  },
  { wrong: `error.code = 1`, right: `error.code.startsWith('x') && error.retryable` },
  { wrong: `error.current.item`, right: `error.current?.item ?? error.database ?? error.key` },
]
