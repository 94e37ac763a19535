/** The store is killed while thousands of writes are on their way. */
import assert from 'node:assert'
import { differences, Replay } from '../support/replicas'
import { dice, note, until } from '../support/testing'
import type { Site } from './site'

const rounds = 6
const writes = 3000
const keys = 1500

/** Each call is confirmed, the last call of each key counts, and no replica sees a key go back. */
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

  const seed = Date.now() % 1_000_000
  const roll = dice(seed)
  const expected = new Map<string, { n: number }>()
  const took: number[] = []
  for (let round = 0, n = 0; round < rounds; round++) {
    const calls: Promise<unknown>[] = []
    let confirmed = 0
    for (let i = 0; i < writes; i++) {
      const key = `key ${roll(keys)}`
      // A round without a delete is pipelined everywhere.
      if (round % 3 === 2 && roll(50) === 0) {
        expected.delete(key)
        calls.push(written.delete(key))
      } else {
        const item = { n: ++n }
        expected.set(key, item)
        calls.push(written.set(key, item))
      }
    }
    // In the midst of it: of three batches, up to two are confirmed.
    const enough = roll(2000)
    await new Promise<void>((resolve) => {
      if (enough === 0) resolve()
      for (const call of calls) call.then(() => ++confirmed === enough && resolve(), resolve)
    })
    const open = writes - confirmed
    await site.server.kill()
    // The answers of the second batch and the third may come in one piece; the third is not sent before the first is answered.
    assert.ok(open > 0 || enough >= 1000, `all ${writes} were confirmed before the kill`)
    await site.server.restart()
    const start = performance.now()
    await Promise.all(calls)
    took.push(performance.now() - start)
    const isRight = (replica: ReadonlyMap<string, unknown>) => differences(new Map(replica), expected).length === 0
    await until('the replicas hold what was called last', () => isRight(written) && isRight(read)).catch(() => {})
    assert.deepStrictEqual(differences(new Map(written), expected), [])
    assert.deepStrictEqual(differences(new Map(read), expected), [])
    assert.deepStrictEqual(differences(await site.read('bulk'), expected), [])
  }
  replay.check()
  assert.deepStrictEqual(faults, [])
  const times = took.map((ms) => ms.toFixed(0)).join(', ')
  note(
    `${rounds} × ${writes} writes, the store killed in the midst of them: confirmed ${times} ms after its return (seed ${seed})`,
  )
}
