/** A reader of `changes` that stands still while others write: it costs memory for each key, not for each change. */
import assert from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { note, until } from '../support/testing'
import type { Site } from './site'

const seconds = 60
const rate = 1000
const keys = 100
/** Every change of these that was kept would be more than a kilobyte. */
const text = 'x'.repeat(1000)
/** The most that the heap may grow by (bytes): a tenth of what all changes take. The client's buffers and compiled code are some megabytes. */
const bound = (seconds * rate * text.length) / 10

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heap(): number {
  for (let i = 0; i < 3; i++) collect()
  return process.memoryUsage().heapUsed
}

export async function slowReader(site: Site, name: string): Promise<void> {
  await using writing = site.client()
  await using reading = site.client()
  const [writer, reader] = [writing, reading].map((client) =>
    client.database('test').collection<{ n: number; text: string }>('items'),
  )
  assert.ok(writer !== undefined && reader !== undefined)
  await reader.subscribe()
  const stream = reader.changes()
  const write = async (from: number, count: number) => {
    const calls: Promise<void>[] = []
    for (let n = from; n < from + count; n++) calls.push(writer.set(`key ${n % keys}`, { n, text: `${text} ${n}` }))
    await Promise.all(calls)
  }
  await write(0, keys)
  await until('the reader has them', () => reader.size === keys)
  const before = heap()
  let n = keys
  const start = performance.now()
  for (let tenth = 1; tenth <= seconds * 10; tenth++) {
    await write(n, rate / 10)
    n += rate / 10
    await sleep(Math.max(0, start + tenth * 100 - performance.now()))
  }
  const took = (performance.now() - start) / 1000
  const growth = heap() - before
  await until('the reader is told of the last', () => reader.get(`key ${(n - 1) % keys}`)?.n === n - 1)
  const read = new Map<string, number>()
  for (let i = 0; i < keys; i++) {
    const { value } = await stream.next()
    assert.ok(value !== undefined && value.kind === 'set' && !read.has(value.key), `${value?.kind} ${value?.key}`)
    read.set(value.key, value.item.n)
  }
  assert.deepStrictEqual(
    read,
    new Map([...reader].map(([key, item]) => [key, item.n])),
    'the net effect is the last value of each',
  )
  await stream.return?.()
  note(
    `${name}: ${n - keys} changes of ${keys} keys in ${took.toFixed(0)} s, a reader that stands still: ` +
      `the heap grew by ${(growth / 1024).toFixed(0)} KB, all changes would be ${((n - keys) / 1000).toFixed(0)} MB; it then read ${read.size} changes`,
  )
  assert.ok(growth < bound, `the heap grew by ${growth} bytes`)
}
