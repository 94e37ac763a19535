/** Much is written, two full batches under way at a time, while the store is killed and comes back. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { differences, Replay } from '../support/replicas'
import { dice, note, until } from '../support/testing'
import type { Site } from './site'

const window = 3000
const windows = 12
const keys = 400

/** Each call is confirmed, of each key the last one counts, and no replica sees a key go back. */
export async function bulkOutage(site: Site): Promise<void> {
  const options = { writeTimeout: 120_000, livenessTimeout: 2000 }
  await using writing = site.client(options)
  await using reading = site.client(options)
  const [written, read] = [writing, reading].map((client) => client.database('test').collection<{ n: number }>('bulk'))
  assert.ok(written !== undefined && read !== undefined)
  const replay = new Replay(read)
  const newest = new Map<string, number>()
  read.on('set', (key, { n }) => {
    assert.ok(n > (newest.get(key) ?? -1), `${key} went back from ${newest.get(key)} to ${n}`)
    newest.set(key, n)
  })
  const faults: unknown[] = []
  reading.on('error', (error) => void (error.code === 'LISTENER_FAILED' && faults.push(error.cause)))
  writing.on('error', () => {})
  await Promise.all([written.subscribe(), read.subscribe()])

  const roll = dice(Date.now() % 1_000_000)
  const expected = new Map<string, { n: number }>()
  const calls: Promise<unknown>[] = []
  const start = performance.now()
  for (let w = 0, n = 0; w < windows; w++) {
    for (let i = 0; i < window; i++) {
      const key = `key ${roll(keys)}`
      // Windows without a delete are pipelined everywhere.
      if (w % 3 === 2 && roll(50) === 0) {
        expected.delete(key)
        calls.push(written.delete(key))
      } else {
        const item = { n: ++n }
        expected.set(key, item)
        calls.push(written.set(key, item))
      }
    }
    // In the midst of what was just called.
    await sleep(roll(20))
    if (w % 4 === 3) {
      await site.server.kill()
      await sleep(roll(200))
      await site.server.restart()
    }
  }
  await Promise.all(calls)
  const took = performance.now() - start
  await until('the replicas hold what was called last', () =>
    [written, read].every((replica) => differences(new Map(replica), expected).length === 0),
  ).catch(() => {})
  for (const replica of [written, read]) assert.deepStrictEqual(differences(new Map(replica), expected), [])
  assert.deepStrictEqual(differences(await site.read('bulk'), expected), [])
  replay.check()
  assert.deepStrictEqual(faults, [])
  note(`${calls.length} writes, the store killed ${windows / 4} times: all confirmed after ${took.toFixed(0)} ms`)
}
