/** Conditional writes, and what is built on them: what must compile, and what must not. Nothing here runs. */
import type {
  Change,
  Collection,
  DeepReadonly,
  Entries,
  ItemEntry,
  NumberFields,
  Replacement,
  TransactionWrites,
  Updater,
} from '../../src/index'
import { same } from './same'

interface Artist {
  genre: string
  fans: number
  born?: number
  died: number | null
  kind?: 'band' | 'solo'
  rating: 1 | 2 | 3
  tags?: string[]
  unknown?: undefined
}
type Venue = { city: string; seats: number }

declare const artists: Collection<Artist>
declare const venues: Collection<Venue>
declare const untyped: Collection<Record<string, unknown>>
// biome-ignore lint/suspicious/noExplicitAny: the point
declare const loose: Collection<any>
const { signal } = new AbortController()

// Conditions

artists.set('a', { genre: 'Pop', fans: 1, died: null, rating: 1 }, { ttl: 'keep', ifAbsent: true })
artists.set('a', { genre: 'Pop', fans: 1, died: null, rating: 1 }, { ifRevision: artists.entry('a')?.revision })
artists.delete('a', { ifRevision: 'e.1' })
// @ts-expect-error ifAbsent is true or false
artists.set('a', { genre: 'Pop', fans: 1, died: null, rating: 1 }, { ifAbsent: 'yes' })
// @ts-expect-error the name of the option is ifRevision
artists.set('a', { genre: 'Pop', fans: 1, died: null, rating: 1 }, { ifMatch: 'e.1' })
// @ts-expect-error there is no other ttl in words
artists.set('a', { genre: 'Pop', fans: 1, died: null, rating: 1 }, { ttl: 'forever' })
// @ts-expect-error nothing to delete is no condition of a delete
artists.delete('a', { ifAbsent: true })
// @ts-expect-error a revision is given by name
artists.delete('a', 'e.1')
// @ts-expect-error a revision is a string
artists.delete('a', { ifRevision: artists.entry('a') })

// update

const created = artists.update('a', (artist) => {
  same<typeof artist, DeepReadonly<Artist> | undefined>()
  return { genre: 'Pop', died: null, rating: 1, ...artist, fans: (artist?.fans ?? 0) + 1 }
})
same<typeof created, Promise<DeepReadonly<Artist>>>()
const changed = artists.update('a', (artist) => artist && { ...artist, kind: 'band' })
same<typeof changed, Promise<DeepReadonly<Artist> | undefined>>()
const chosen = artists.update('a', (artist) => (artist?.kind === 'band' ? { ...artist, kind: 'solo' } : artist))
same<typeof chosen, Promise<DeepReadonly<Artist> | undefined>>()
const deleted = artists.update('a', () => undefined, { ttl: 60, signal })
same<typeof deleted, Promise<DeepReadonly<Artist> | undefined>>()
const updater: Updater<Artist> = (artist) => artist
const updated = artists.update('a', updater, { ttl: 'keep' })
same<typeof updated, Promise<DeepReadonly<Artist> | undefined>>()
// @ts-expect-error a field is missing
artists.update('a', () => ({ genre: 'Pop' }))
// @ts-expect-error a field is of another type
artists.update('a', (artist) => artist && { ...artist, fans: '1' })
// @ts-expect-error one of two words
artists.update('a', (artist) => artist && { ...artist, kind: 'duo' })
// @ts-expect-error there may be no item
artists.update('a', (artist) => ({ ...artist, fans: artist.fans + 1 }))
// @ts-expect-error null deletes nothing
artists.update('a', () => null)
// @ts-expect-error it is computed at once
artists.update('a', async (artist) => artist)
artists.update('a', (artist) => {
  // @ts-expect-error it is shared, and frozen
  if (artist) artist.fans++
  return artist
})
// @ts-expect-error the item is an Artist
artists.update('a', (venue: Venue | undefined) => venue)
// @ts-expect-error there is no such option
artists.update('a', updater, { timeout: 1000 })
// @ts-expect-error null is no ttl
artists.update('a', updater, { ttl: null })

/** A function of the user's, for items of any kind that have a number. */
const renew = <T extends { n: number }>(items: Collection<T>, key: string) =>
  items.update(key, (item) => item && { ...item, n: item.n + 1 })

// patch

same<ReturnType<typeof artists.patch>, Promise<boolean>>()
artists.patch('a', { fans: 2 })
artists.patch('a', { born: undefined, tags: ['pop'] })
artists.patch('a', artists.get('b') ?? {})
artists.patch('a', {})
untyped.patch('a', { whatever: 1 })
// @ts-expect-error there is no such field
artists.patch('a', { city: 'London' })
// @ts-expect-error a field is of another type
artists.patch('a', { fans: '2' })
// @ts-expect-error one of two words
artists.patch('a', { kind: 'duo' })
// @ts-expect-error the fields of a venue are none of an artist
artists.patch('a', { city: 'London', seats: 1 } satisfies Venue)
// @ts-expect-error fields are needed
artists.patch('a')
// @ts-expect-error fields are no function: that is update
artists.patch('a', (artist: Artist) => artist)

// increment

same<NumberFields<Artist>, 'fans' | 'born' | 'rating'>()
same<NumberFields<Venue>, 'seats'>()
same<NumberFields<{ text: string }>, never>()
same<ReturnType<typeof artists.increment>, Promise<number>>()
artists.increment('a', 'fans')
artists.increment('a', 'born', -1)
loose.increment('a', 'anything')
// @ts-expect-error it is not a number
artists.increment('a', 'genre')
// @ts-expect-error it may be null, which is not a number
artists.increment('a', 'died')
// @ts-expect-error it is never a number
artists.increment('a', 'unknown')
// @ts-expect-error there is no such field
artists.increment('a', 'seats')
// @ts-expect-error a number is added
artists.increment('a', 'fans', '1')
// @ts-expect-error it is not known to be a number
untyped.increment('a', 'whatever')

// touch

same<ReturnType<typeof artists.touch>, Promise<boolean>>()
// @ts-expect-error it has to have a ttl
artists.touch('a', undefined)
// @ts-expect-error a touch that keeps the ttl does nothing
artists.touch('a', 'keep')

// Many at once

const some: Entries<Venue> = [['a', { city: 'London', seats: 1 }]]
same<ReturnType<typeof venues.setMany>, Promise<void>>()
venues.setMany(some, { ttl: 60 })
venues.setMany(new Map([['a', { city: 'London', seats: 1 }]]))
venues.setMany({ a: { city: 'London', seats: 1 } })
venues.setMany(venues)
same<ReturnType<typeof venues.replaceAll>, Promise<Replacement>>()
venues.replaceAll(venues.toJSON(), { dryRun: true, ttl: 60 })
// @ts-expect-error a field is missing
venues.setMany({ a: { city: 'London' } })
// @ts-expect-error the items are Venues
venues.replaceAll(artists)
// @ts-expect-error it has to be awaited first
venues.replaceAll(Promise.resolve(some))
// @ts-expect-error keys come with the items
venues.setMany([{ city: 'London', seats: 1 }])
// @ts-expect-error each has a ttl of its own only in a transaction
venues.setMany(some, { ttl: 'keep' })
// @ts-expect-error there is no dry run of setMany
venues.setMany(some, { dryRun: true })

// Transactions

venues.transaction((t) => {
  same<typeof t, TransactionWrites<Venue>>()
  t.check('a', venues.entry('a')?.revision ?? null)
  t.set('a', { city: 'London', seats: 1 }, 'keep')
  t.set('b', venues.get('a') ?? { city: 'none', seats: 0 }, 60)
  t.delete('c')
  // @ts-expect-error undefined is no revision: null says that there is no item
  t.check('a', undefined)
  // @ts-expect-error nothing is known before the end
  const isThere: boolean = t.delete('d')
  // @ts-expect-error it reads nothing
  t.get('a')
  return isThere
})

// Following

const stop = venues.watch('a', (venue, key, change) => {
  same<typeof venue, DeepReadonly<Venue> | undefined>()
  same<typeof key, string>()
  same<typeof change, Change<Venue>>()
})
same<typeof stop, () => void>()
venues.watch({ prefix: 'a:' }, async () => {})
// @ts-expect-error a key or a prefix
venues.watch(/a/, () => {})
// @ts-expect-error a listener is needed
venues.watch('a')

const there = venues.waitFor('a', (venue) => venue !== undefined, { signal })
same<typeof there, Promise<DeepReadonly<Venue>>>()
const absent = venues.waitFor('a', (venue) => venue === undefined)
same<typeof absent, Promise<undefined>>()
const full = venues.waitFor('a', (venue) => (venue?.seats ?? 0) > 9)
same<typeof full, Promise<DeepReadonly<Venue> | undefined>>()
// @ts-expect-error there may be no item
venues.waitFor('a', (venue) => venue.seats > 9)
// @ts-expect-error a predicate answers at once
venues.waitFor('a', async () => true)
// @ts-expect-error there is no such option: a signal ends it
venues.waitFor('a', () => true, { timeout: 1000 })

async function read(): Promise<ItemEntry<Venue> | undefined> {
  for await (const change of venues.changes({ prefix: 'a', signal })) {
    same<typeof change, Change<Venue>>()
    same<typeof change.kind, 'set' | 'delete' | 'expire'>()
    await venues.reached(change.revision, { signal })
  }
  // @ts-expect-error a revision is a string
  await venues.reached(1)
  // @ts-expect-error keys are told by their beginning
  venues.changes({ suffix: 'a' })
  return venues.entry('a')
}

export { read, renew }
