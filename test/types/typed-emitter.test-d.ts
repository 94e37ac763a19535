/**
 * A collection and a client can be given wherever the package `typed-emitter` is asked for, so that code of others can listen to
 * them. They have no `emit` and no limits of listeners, as in types of Node.js: see `Emitter`.
 */
import type TypedEmitter from 'typed-emitter'
import type { Client, ClientEvents, Collection, CollectionEvents, DeepReadonly, MemisError } from '../../src/index'
import { same } from './same'

interface Artist {
  genre: string
}

declare const client: Client
declare const artists: Collection<Artist>

const told: TypedEmitter<CollectionEvents<Artist>> = artists
const linked: TypedEmitter<ClientEvents> = client

told.on('set', (key, artist) => {
  same<typeof key, string>()
  same<typeof artist, DeepReadonly<Artist>>()
})
linked.once('disconnect', (error) => same<typeof error, MemisError>())
// @ts-expect-error there is no such event
told.on('sets', () => {})
// @ts-expect-error the item is an Artist
const others: TypedEmitter<CollectionEvents<{ city: string }>> = artists

/** A class of somebody who has never heard of memis. */
class Tally {
  readonly #keys = new Set<string>()

  constructor(events: TypedEmitter<CollectionEvents<Artist>>) {
    const add = (key: string) => void this.#keys.add(key)
    events.on('set', add).on('delete', add)
    events.once(
      'stale',
      ({ code }) => void events.off('set', add).removeListener('delete', add).eventNames().includes(code),
    )
  }
}
new Tally(artists)

export { others, Tally }
