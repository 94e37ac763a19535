/** Much that is written at once: nothing overtakes, and what the server is still busy with is not published again. */
import assert from 'node:assert'
import { connect, type NatsConnection } from 'nats'
import { createClient } from '../../src'
import { natsServer, Raw, readStore, suiteOnAll, until } from './support'

const test = suiteOnAll('bursts', 240_000)

test('a second batch that is handed over while the first one learns of its bucket does not overtake it', async (version) => {
  await using server = await natsServer(version)
  await using raw = await Raw.connect(server.url)
  const connection = await connect({ servers: server.url })
  const ask = connection.request.bind(connection)
  // Behind the answer by so many promise jobs: at some of these numbers the bucket was known, and the first batch not yet on its way.
  for (let jobs = 0; jobs < 16; jobs++) {
    const database = `test${jobs}`
    await raw.ask(`STREAM.CREATE.KV_${database}`, {
      ...{ name: `KV_${database}`, subjects: [`$KV.${database}.>`], max_msgs_per_subject: 1, discard: 'new' },
      ...{ duplicate_window: 30e9, allow_rollup_hdrs: true, storage: 'memory' },
    })
    await raw.publish(`$KV.${database}.other.k`, '{}')
    await using client = createClient({ transport: 'nats', connection })
    await client.connect()
    const items = client.database(database).collection<object>('items')
    const calls: Promise<void>[] = []
    const write = (n: number) => {
      for (let i = 0; i < 1000; i++) calls.push(items.set(`k${i % 50}`, { n }))
    }
    let isSecondWritten = false
    connection.request = (subject, ...rest) => {
      const answer = ask(subject, ...rest)
      if (!subject.startsWith(`$JS.API.STREAM.MSG.GET.KV_${database}`)) return answer
      connection.request = ask as NatsConnection['request']
      // A question of the user's own, whose answer comes in one piece with the one that memis waits for.
      ask(subject, ...rest).then(async () => {
        for (let i = 0; i < jobs; i++) await null
        write(2)
        isSecondWritten = true
      })
      return answer
    }
    write(1)
    await until('the second is written', () => isSecondWritten)
    await Promise.all(calls)
    const store = await readStore(raw, 'items', database)
    assert.deepStrictEqual(
      [...new Set([...store.values()].map((item) => (item as { n: number }).n))],
      [2],
      `${jobs} jobs`,
    )
  }
  await connection.close()
})

test('300,000 writes of 150 collections at once: not more under way than the server takes, each published once', async (version) => {
  await using server = await natsServer(version)
  const connection = await connect({ servers: server.url })
  await using client = createClient({
    transport: 'nats',
    connection,
    writeTimeout: 200_000,
    maxPending: 1e6,
    maxPendingBytes: 2 ** 30,
  })
  await client.connect()
  let published = 0
  let settled = 0
  let mostUnderWay = 0
  const publish = connection.publish.bind(connection)
  connection.publish = (...message) => {
    mostUnderWay = Math.max(mostUnderWay, ++published - settled)
    publish(...message)
  }
  const [collections, writes] = [150, 2000]
  const calls: Promise<void>[] = []
  for (let c = 0; c < collections; c++) {
    const items = client.database('test').collection<object>(`c${c}`)
    for (let i = 0; i < writes; i++) {
      const call = items.set(`k${i}`, { i, text: 'x'.repeat(400) }).finally(() => settled++)
      calls.push(call)
    }
  }
  await Promise.all(calls)
  // Servers drop what comes while 10,000 wait in them; and the process, which would stand still, would take its link for lost.
  assert.ok(mostUnderWay < 10_000, `${mostUnderWay} messages were under way`)
  // Some questions of memis's own.
  assert.ok(published < collections * writes + 1000, `${published} messages`)
  await client.close()
  await connection.close()
})

test.run()
