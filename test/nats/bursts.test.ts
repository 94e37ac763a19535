/** Much that is written at once: what the server is still busy with is not published again. */
import assert from 'node:assert'
import { connect } from 'nats'
import { createClient } from '../../src'
import { natsServer, suite } from './support'

const test = suite('bursts, NATS', 240_000)

test('300,000 writes of 150 collections at once: not more under way than the server takes, each published once', async () => {
  await using server = await natsServer()
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
