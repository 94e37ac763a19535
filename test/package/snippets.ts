/**
 * What must not compile, and beside it what must: the pair shows that it is the mistake that fails. Each stands behind
 * `prelude`, inside an async function.
 */
export const prelude = `
import { createClient, type MemisError, MemoryHub, type Transport } from 'memis'
interface Artist { genre: string; tour?: { start: number } }
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
    right: `const map: ReadonlyMap<string, Readonly<Artist>> = artists`,
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
    right: `createClient({ transport: 'memory', dataLoss: 'accept' })`,
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
  { wrong: `error.code = 1`, right: `error.code.startsWith('x')` },
]
