/** Events: what must compile, and what must not. Nothing here runs. */
import { EventEmitter, on, once } from 'node:events'
import type { Cause, Change, Client, Collection, DeepReadonly, ErrorCode, MemisError, ReadyInfo } from '../../src/index'
import { same } from './same'

interface Artist {
  genre: string
  tags?: string[]
}
type Venue = { city: string }

declare const client: Client
declare const artists: Collection<Artist>
declare const venues: Collection<Venue>

artists.on('set', (key, artist, change) => {
  same<typeof key, string>()
  same<typeof artist, DeepReadonly<Artist>>()
  same<typeof change, Change<Artist>>()
  same<typeof change.previous, DeepReadonly<Artist> | undefined>()
  same<typeof change.cause, Cause>()
  same<Cause, 'snapshot' | 'live' | 'resync' | 'stale'>()
  same<typeof change.revision, string>()
  // @ts-expect-error it is shared, and frozen
  artist.genre = 'Pop'
  // @ts-expect-error at every depth
  artist.tags?.push('pop')
  // @ts-expect-error at every depth
  change.previous?.tags?.push('pop')
})
artists.once('expire', (_key, last) => same<typeof last, DeepReadonly<Artist>>())
artists.on('ready', (info) => same<typeof info, ReadyInfo>())
artists.on('stale', (error) => same<typeof error, MemisError>())
artists.on('set', async (key) => {
  await artists.delete(key)
})
artists.on('set', (key) => artists.set(key, { genre: '' }))
artists.on('delete', () => 42)
same<ReturnType<typeof artists.on>, Collection<Artist>>()
same<ReturnType<typeof artists.multi>, Collection<Artist>>()
same<ReturnType<typeof artists.removeAllListeners>, Collection<Artist>>()
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

// Several events at once

artists.multi('expire delete', (key, last, change) => {
  same<typeof key, string>()
  same<typeof last, DeepReadonly<Artist>>()
  same<typeof change, Change<Artist>>()
})
artists.multi('set', (_key, artist) => same<typeof artist, DeepReadonly<Artist>>())
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

// Removing, counting

const note = (key: string, artist: DeepReadonly<Artist>) => `${key} ${artist.genre}`
artists
  .on('set', note)
  .once('delete', note)
  .multi('expire delete', note)
  .off('set', note)
  .off('expire delete', note)
  .removeListener('expire delete', note)
  .removeAllListeners('set expire')
  .removeAllListeners()
same<ReturnType<typeof artists.listenerCount>, number>()
same<ReturnType<typeof artists.eventNames>, ('set' | 'expire' | 'delete' | 'ready' | 'stale')[]>()
artists.listeners('ready')[0]?.({} as ReadyInfo)
// @ts-expect-error there is no such event
artists.off('sets', note)
// @ts-expect-error there is no such event
artists.removeAllListeners('sets')
// @ts-expect-error there is no such event
artists.listenerCount('sets')

// Only memis emits

// @ts-expect-error there is no such method
artists.emit('set', 'coldplay', { genre: 'Alternative' })
// @ts-expect-error there is no such method
client.emit('connect')
// @ts-expect-error there is no such method
artists.addListener('set', note)
// @ts-expect-error there is no such method
artists.setMaxListeners(0)

// Node's own helpers

const waiting = async () => {
  const [info] = await once(artists, 'ready', { signal: AbortSignal.timeout(1000) })
  for await (const [key] of on(artists, 'set')) return [info, key]
  await once(client, 'connect')
  return EventEmitter.listenerCount(artists, 'set') + EventEmitter.getEventListeners(client, 'error').length
}

/** A class of the user's, with a type parameter of its own. */
class Board<T extends { title: string }> {
  constructor(readonly cards: Collection<T>) {
    cards.on('set', (key, card) => `${key} ${card.title}`)
    cards.multi('expire delete', (key, last) => `${key} ${last.title}`)
    cards.once('ready', () => {})
  }
}

export { Board, waiting }
