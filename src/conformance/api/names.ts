/** Names that must never meet: clause N2. */
import { same } from '../assert'
import { hostileNames } from '../hostile-names'
import type { Define } from '../suite'
import type { Item } from './replica'
import type { Scene } from './scene'

/** The longest names that are allowed, in bytes of UTF-8. */
const limits = { database: 64, collection: 128, key: 256 }

/** Names of exactly so many bytes, of characters of one to four bytes. */
const namesOf = (bytes: number) =>
  ['x', 'é', '€', '😀'].map((character) => {
    const count = Math.floor(bytes / Buffer.byteLength(character))
    return character.repeat(count) + 'x'.repeat(bytes - count * Buffer.byteLength(character))
  })

export function names(test: Define<Scene>): void {
  test('N2 two setups share nothing, so that no case can harm another', async (scene) => {
    const here = await scene.replica()
    await here.items.set('coldplay', { genre: 'here' })
    const elsewhere = await scene.elsewhere()
    const there = await elsewhere.replica()
    same(there.items.size, 0, 'how many items another store has')
    await there.items.set('coldplay', { genre: 'there' })
    same(new Map((await scene.replica()).items), new Map([['coldplay', { genre: 'here' }]]))
    same(new Map((await elsewhere.replica()).items), new Map([['coldplay', { genre: 'there' }]]))
  })

  test('N2 any well-formed string is a key', async (scene) => {
    const [writer, reader] = await scene.two()
    const expected = new Map(hostileNames.map((key) => [key, { key }]))
    await Promise.all(hostileNames.map((key) => writer.items.set(key, { key })))
    await scene.eventuallyEqual([writer, reader, await scene.replica()], expected)
    for (const key of hostileNames) same(await writer.items.delete(key), true, `delete ${JSON.stringify(key)}`)
    await scene.eventuallyEqual([reader, writer, await scene.replica()], new Map())
    same(Object.getOwnPropertyNames({}), [], 'a prototype was changed')
  })

  test('N2 any well-formed string names a collection', async (scene) => {
    const writer = (await scene.client()).database('d')
    const reader = (await scene.client()).database('d')
    await Promise.all(hostileNames.map((name) => writer.collection<Item>(name).set('k', { name })))
    await Promise.all(hostileNames.map((name) => reader.collection(name).subscribe()))
    for (const name of hostileNames) same([...reader.collection(name)], [['k', { name }]], JSON.stringify(name))
    await Promise.all(hostileNames.map((name) => writer.collection<Item>(name).set('live', { name })))
    await scene.eventually(() => {
      for (const name of hostileNames) same(reader.collection(name).get('live'), { name }, JSON.stringify(name))
    })
  })

  test('N2 any well-formed string names a database', async (scene) => {
    const writer = await scene.client()
    const reader = await scene.client()
    await Promise.all(hostileNames.map((name) => writer.database(name).collection<Item>('c').set('k', { name })))
    await Promise.all(hostileNames.map((name) => reader.database(name).collection('c').subscribe()))
    for (const name of hostileNames)
      same([...reader.database(name).collection('c')], [['k', { name }]], JSON.stringify(name))
  })

  test('N2 names that look alike when they are joined never meet', async (scene) => {
    const separators = [
      ':',
      '::',
      '.',
      '/',
      '{',
      '}',
      '}:{',
      '|',
      ',',
      '","',
      '-',
      '_',
      '__',
      ' ',
      '\0',
      '\n',
      '*',
      '>',
      '%',
      '%3A',
      '\\',
      '$',
    ]
    const places = separators.flatMap((s) => [
      { database: `a${s}b`, collection: 'c', key: 'd' },
      { database: 'a', collection: `b${s}c`, key: 'd' },
      { database: 'a', collection: 'b', key: `c${s}d` },
      { database: `a${s}`, collection: `${s}c`, key: 'd' },
      { database: `a${s}b${s}c`, collection: 'd', key: 'e' },
      { database: 'a', collection: `b${s}c${s}d`, key: 'e' },
    ])
    const writer = await scene.client()
    const reader = await scene.client()
    await Promise.all(
      places.map((place) => writer.database(place.database).collection<Item>(place.collection).set(place.key, place)),
    )
    await Promise.all(places.map((place) => reader.database(place.database).collection(place.collection).subscribe()))
    for (const { database, collection } of places) {
      const mine = places.filter((place) => place.database === database && place.collection === collection)
      same(
        new Map(reader.database(database).collection(collection)),
        new Map(mine.map((place) => [place.key, place])),
        JSON.stringify([database, collection]),
      )
    }
  })

  test('N2 the longest names allowed, to the byte', async (scene) => {
    const writer = await scene.client()
    const reader = await scene.client()
    const keys = namesOf(limits.key)
    for (const [i, name] of namesOf(limits.database).entries()) {
      const collection = namesOf(limits.collection)[i] as string
      for (const key of keys) await writer.database(name).collection<Item>(collection).set(key, { key })
      const items = reader.database(name).collection(collection)
      await items.subscribe()
      same(new Map(items), new Map(keys.map((key) => [key, { key }])))
    }
  })
}
