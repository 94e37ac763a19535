/** How a session begins, and what it is told first: clauses K4, K5, R2. */
import { compare } from '../../core/history'
import type { Cursor } from '../../core/transport'
import { must, same } from '../assert'
import type { Define } from '../suite'
import type { Bench } from './bench'
import { clear, remove, set } from './writes'

export function resuming(test: Define<Bench>): void {
  test('K5 K4 a session that resumes is told what changed since, and nothing else', async (bench) => {
    const [one, two] = await bench.two()
    await one.write(Array.from({ length: 200 }, (_, i) => set(`key ${i}`, i)))
    const cursor = await (await two.follow()).reached()
    await one.accepted(set('key 1', 'changed'), remove('key 2'), set('new', 1))
    await one.accepted(set('key 3', 'changed'), set('key 3', 'changed again'))
    await one.accepted(set('brief', 1), remove('brief'))
    const resumed = await two.read(cursor)
    same(resumed.mode, 'delta')
    const told = [...resumed.newest].map(([key, { item, cause }]) => [key, item ?? cause])
    same(told.sort(), [
      ['brief', 'delete'],
      ['key 1', { value: 'changed' }],
      ['key 2', 'delete'],
      ['key 3', { value: 'changed again' }],
      ['new', { value: 1 }],
    ])
    const again = await two.read(resumed.cursor)
    same([again.mode, [...again.newest.keys()]], ['delta', []], 'a session that resumes at the end')
    const other = await (await bench.peer()).read(cursor)
    same([other.mode, other.newest.size], ['delta', 5], 'a session that resumes by another transport')
  })

  test('K5 W5 a session that resumes after a clear is told each key that is gone', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1), set('b', 1), set('c', 1))
    const cursor = await (await two.follow()).reached()
    await one.accepted(clear, set('b', 2))
    const { mode, newest } = await two.read(cursor)
    const items = ['a', 'b', 'c'].map((key) => (newest.has(key) ? newest.get(key)?.item : 'not told'))
    same(items, mode === 'delta' ? [null, { value: 2 }, null] : ['not told', { value: 2 }, 'not told'], `in a ${mode}`)
  })

  test('K5 X4 a session that resumes is told what expired meanwhile', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('old', 1, { ttlMs: 150 }))
    const cursor = await (await two.follow()).reached()
    await one.accepted(set('new', 1, { ttlMs: 100 }), set('stays', 1))
    await bench.pass(160)
    await bench.inTime(50, async () => {
      const { mode, newest, items } = await two.read(cursor)
      same([mode, Object.keys(items)], ['delta', ['stays']], 'how the session begins, and what it tells')
      const told = newest.get('new')
      same([told?.item, told?.cause], [null, 'expire'], 'the item that came and went')
    })
  })

  test('K5 a place that is not of the history is answered by a snapshot', async (bench) => {
    const [one, two] = await bench.two()
    await one.accepted(set('a', 1), set('b', 1), remove('b'))
    const { epoch, n, memo } = await (await two.follow()).reached()
    for (const from of [
      { epoch: '0000000000000-other', n },
      { epoch: `${epoch}~`, n: 1 },
    ] as Cursor[]) {
      const { mode, items, cursor } = await two.read({ ...from, memo })
      same([mode, items, cursor?.epoch], ['snapshot', { a: { value: 1 } }, epoch], `from ${from.epoch}.${from.n}`)
    }
  })

  test('K5 R2 once tombstones were forgotten, a replica that was away for longer is told a snapshot', async (bench) => {
    const brief = { retention: 1000 }
    const [one, two] = [await bench.peer(brief), await bench.peer(brief)]
    await one.accepted(set('deleted', 1), set('stays', 1))
    const cursor = await (await two.follow()).reached()
    await one.accepted(remove('deleted'), set('timed', 1, { ttlMs: 100 }))
    await bench.inTime(1100, async () => {
      // Writing is what may make a store forget.
      await one.accepted(set('other', 1))
      const { mode, newest, items } = await two.read(cursor)
      const left = Object.keys(items).filter((key) => key !== 'timed')
      same(left.sort(), mode === 'delta' ? ['other'] : ['other', 'stays'], `the items of a ${mode}`)
      // As long as there are deltas, they tell the tombstones.
      if (mode === 'delta') same(newest.get('deleted')?.item, null, 'the tombstone, in a delta')
      same(mode, 'snapshot', 'awaited: how the session begins once tombstones were forgotten')
    })
  })

  test('K5 tombstones are kept for the retention', async (bench) => {
    const [one, two] = [await bench.peer({ retention: 60_000 }), await bench.peer({ retention: 60_000 })]
    // The longest retention counts.
    const hasty = await bench.peer({ retention: 0 })
    await one.accepted(set('deleted', 1))
    const cursor = await (await two.follow()).reached()
    await one.accepted(remove('deleted'), set('timed', 1, { ttlMs: 100 }))
    for (let i = 0; i < 4; i++) {
      await bench.pass(500)
      await hasty.accepted(set('other', i))
      await hasty.read()
    }
    const { mode, newest } = await two.read(cursor)
    const told = ['deleted', 'timed'].map((key) => newest.get(key)?.item)
    same([mode, ...told], ['delta', null, null], 'how a session resumes, and the two tombstones')
  })

  test('R2 a joiner is told the time that is left', async (bench) => {
    const [one, two] = await bench.two()
    const cursor = await (await two.follow()).reached()
    await one.accepted(
      set('timed', 1, { ttlMs: 600_000 }),
      set('years', 1, { ttlMs: 3_153_600_000_000 }),
      set('untimed', 1),
    )
    await bench.pass(200)
    for (const [what, from] of Object.entries({ snapshot: null, delta: cursor })) {
      const { mode, newest } = await two.read(from)
      const { leftMs } = newest.get('timed') ?? {}
      must(Number(leftMs) <= 599_850 && Number(leftMs) > 500_000, `about 599,800 ms are left, in a ${what}`, leftMs)
      const years = Number(newest.get('years')?.leftMs)
      must(years > 3_153_500_000_000 && years <= 3_153_600_000_001, 'a hundred years are left', years)
      same([mode, newest.get('untimed')?.leftMs], [what, null], 'how the session begins, and what it tells')
    }
  })

  test('K4 W4 a replica that leaves and returns again and again knows what the store knows', async (bench) => {
    const [one, two] = await bench.two()
    let cursor: Cursor | null = null
    const known = new Map<string, { epoch: string; n: number; item: unknown }>()
    for (let round = 0; round < 20; round++) {
      const session = two.watch(cursor)
      for (let i = 0; i < 5; i++) {
        const key = `key ${(round * 7 + i * 3) % 11}`
        const write = (round + i) % 4 === 0 ? remove(key) : set(key, `${round}.${i}`)
        if (i === 2) await session.reached() // some before it is live, some after
        await one.accepted(write)
      }
      cursor = (await session.reached()) as Cursor
      session.close()
      if (session.mode === 'snapshot') {
        for (const key of known.keys()) if (!session.newest.has(key)) known.delete(key)
      }
      for (const [key, entry] of session.newest) {
        const before = known.get(key)
        if (before === undefined || compare(before, entry) < 0) known.set(key, entry)
      }
    }
    for (const [key, entry] of (await two.read(cursor)).newest) known.set(key, entry)
    const items = Object.fromEntries([...known].flatMap(([key, { item }]) => (item === null ? [] : [[key, item]])))
    same(items, (await two.read()).items, 'what a replica knows, and what a joiner is told')
  })
}
