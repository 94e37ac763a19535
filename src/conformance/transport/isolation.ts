/** Names that must never meet: clauses N2, N4. */
import type { CollectionId } from '../../core/transport'
import { same } from '../assert'
import { hostileNames } from '../hostile-names'
import type { Define } from '../suite'
import type { Bench } from './bench'
import { clear, kept, lost, remove, set } from './writes'

export function isolation(test: Define<Bench>): void {
  test('N2 two setups share nothing, so that no case can harm another', async (bench) => {
    const here = await bench.peer()
    await here.accepted(set('a', 'here'))
    const elsewhere = await bench.elsewhere()
    const there = await elsewhere.peer()
    same((await there.read()).items, {}, 'another store')
    await there.accepted(set('a', 'there'), set('b', 'there'))
    same((await here.read()).items, { a: { value: 'here' } }, 'what a joiner is told')
  })

  test('N2 N4 collections that differ in prefix, database or name share nothing', async (bench) => {
    const [one, two] = await bench.two()
    const { id } = bench
    const ids: CollectionId[] = [
      ...[id, { ...id, collection: 'other' }, { ...id, database: 'other' }, { ...id, prefix: `${id.prefix}-other` }],
      ...[
        { ...id, database: 'items', collection: 'suite' },
        { ...id, database: id.prefix, prefix: id.database },
      ],
    ]
    const followers = await Promise.all(ids.map((each) => two.follow(null, each)))
    for (const [i, each] of ids.entries()) await one.write([set('a', i), set('b', i)], each)
    await one.write([remove('a')], id)
    await one.write([clear], ids[1])
    for (const [i, each] of ids.entries()) {
      const left = i === 0 ? { b: { value: 0 } } : i === 1 ? {} : { a: { value: i }, b: { value: i } }
      same((await two.read(null, each)).items, left, `what a joiner is told of ${JSON.stringify(each)}`)
      await followers[i]?.until(`what a watcher is told of ${JSON.stringify(each)}: ${JSON.stringify(left)}`, () => {
        return JSON.stringify(followers[i]?.items) === JSON.stringify(left)
      })
    }
    const [merged] = await one.merge({ epoch: '0', n: 0 }, [lost('a', 1, 'old')], ids[1])
    kept(merged, 'it is older than the clear of this collection')
  })

  test('N2 any well-formed string names a collection', async (bench) => {
    const [one, two] = await bench.two()
    const ids = hostileNames.map((collection) => ({ ...bench.id, collection }))
    await Promise.all(ids.map((id) => one.write([set('a', id.collection)], id)))
    const followers = await Promise.all(ids.map((id) => two.follow(null, id)))
    for (const [i, { collection }] of ids.entries()) {
      same(followers[i]?.items, { a: { value: collection } }, `the collection ${JSON.stringify(collection)}`)
    }
    await Promise.all(ids.map((id) => one.write([set('b', id.collection)], id)))
    for (const [i, { collection }] of ids.entries()) {
      const told = () => followers[i]?.valueOf('b') === collection && followers[i]?.newest.size === 2
      await followers[i]?.until(`a change in ${JSON.stringify(collection)}, and nothing else`, told)
    }
  })

  test('N2 any well-formed string is a key', async (bench) => {
    const [one, two] = await bench.two()
    const follower = await two.follow()
    await one.write(hostileNames.map((key) => set(key, key)))
    for (const { items } of [await two.read()]) {
      same(Object.keys(items).sort(), [...hostileNames].sort(), 'the items that are told')
      for (const key of hostileNames) same(items[key], { value: key }, JSON.stringify(key))
    }
    const outcomes = await one.write(hostileNames.map((key) => remove(key)))
    same(outcomes.filter((outcome) => 'existed' in outcome && outcome.existed).length, hostileNames.length)
    await follower.until('every key is told as deleted', () => {
      return follower.newest.size === hostileNames.length && Object.keys(follower.items).length === 0
    })
  })

  test('N2 names that look alike when they are joined never meet', async (bench) => {
    const [one, two] = await bench.two()
    const { prefix } = bench.id
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
      '-',
      '_',
      ' ',
      '\0',
      '*',
      '>',
      '%',
      '%3A',
      '\\',
      '$',
    ]
    const places = separators.flatMap((s) => [
      { id: { prefix, database: `a${s}b`, collection: 'c' }, key: 'd' },
      { id: { prefix, database: 'a', collection: `b${s}c` }, key: 'd' },
      { id: { prefix, database: 'a', collection: 'b' }, key: `c${s}d` },
      { id: { prefix, database: `a${s}`, collection: `${s}c` }, key: 'd' },
      { id: { prefix, database: `a${s}b${s}c`, collection: 'd' }, key: 'e' },
      { id: { prefix, database: 'a', collection: `b${s}c${s}d` }, key: 'e' },
    ])
    const nameOf = (id: CollectionId) => JSON.stringify([id.database, id.collection])
    const expected = new Map<string, { id: CollectionId; items: Record<string, unknown> }>()
    for (const { id, key } of places) {
      const name = nameOf(id)
      const items = { ...expected.get(name)?.items, [key]: { value: `${name} ${key}` } }
      expected.set(name, { id, items })
    }
    await Promise.all(places.map(({ id, key }) => one.write([set(key, `${nameOf(id)} ${key}`)], id)))
    for (const { id, items } of expected.values()) same((await two.read(null, id)).items, items, nameOf(id))
  })
}
