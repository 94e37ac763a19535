/** A bucket without `allow_atomic`, as one of NATS 2.11: transactions are missing, and nothing else. */
import assert from 'node:assert'
import { natsSite, rejection, suite } from './support'

const test = suite('without atomic batches, NATS')

interface Item {
  n: number
}

test('C4 C5 C6 what is built on one condition works, with and without a subscription', async () => {
  await using site = await natsSite()
  await site.raw.ask('STREAM.CREATE.KV_memis-test', {
    ...{ name: 'KV_memis-test', subjects: ['$KV.memis-test.>'], retention: 'limits', discard: 'new', storage: 'file' },
    ...{
      max_msgs_per_subject: 1,
      num_replicas: 1,
      duplicate_window: 120e9,
      allow_rollup_hdrs: true,
      allow_direct: true,
    },
    ...{ allow_msg_ttl: true, subject_delete_marker_ttl: 600e9 },
  })
  await using client = site.client()
  const items = client.database('test').collection<Item>('items')
  const increment = (item: Readonly<Item> | undefined) => ({ n: (item?.n ?? 0) + 1 })
  for (const [i, key] of ['outside', 'inside'].entries()) {
    if (i === 1) await items.subscribe()
    assert.deepStrictEqual(await items.update(key, increment), { n: 1 })
    assert.deepStrictEqual(await items.update(key, (item) => item), { n: 1 })
    assert.deepStrictEqual(await items.update(key, increment), { n: 2 })
    assert.strictEqual(await items.increment(key, 'n'), 3)
    assert.strictEqual(await items.patch(key, { n: 5 }), true)
    assert.strictEqual(await items.touch(key, 600), true)
    assert.strictEqual(await items.touch('absent', 600), false)
    const error = await rejection(items.increment('absent', 'n'))
    assert.strictEqual(error.code, 'NOT_FOUND')
    assert.deepStrictEqual(await items.replaceAll({ [key]: { n: 5 } }), { set: 0, deleted: i, unchanged: 1 })
  }
  const refusal = await rejection(
    items.transaction((t) => {
      t.set('a', { n: 1 })
      t.set('b', { n: 1 })
    }),
  )
  assert.deepStrictEqual([refusal.code, refusal.stored], ['UNSUPPORTED_STORE', 'no'])
  // One write with a condition, or checks alone, need no atomic batch.
  await items.transaction((t) => {
    t.check('inside', items.entry('inside')?.revision ?? null)
    t.set('inside', { n: 6 })
  })
  await items.transaction((t) => {
    t.check('a', null)
    t.check('b', null)
  })
  assert.deepStrictEqual([...items], [['inside', { n: 6 }]])
})

test.run()
