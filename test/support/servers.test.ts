/** The servers that other tests rely on work as their names say, and leave nothing behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectNats, type JetStreamManager } from 'nats'
import { createClient } from 'redis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from './free-port'
import { startNatsCluster } from './nats-cluster'
import { type Server, startNats, startRedis } from './servers'
import { until } from './testing'

const test = suite('servers')

async function command(server: Server, ...args: string[]): Promise<unknown> {
  const client = createClient({ url: server.url })
  await client.connect()
  try {
    return await client.sendCommand(args)
  } finally {
    client.destroy()
  }
}

/** Whether somebody listens there. A process id would not tell: a zombie has one, too. */
const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

test('a port that a process holds is given to no other process until that one ends, though nobody listens there', async () => {
  const holder = spawn(process.execPath, [
    ...process.execArgv,
    ...[
      '-e',
      `require(${JSON.stringify(join(__dirname, 'free-port'))}).freePort().then((port) => (console.log(port), setInterval(() => {}, 1e6)))`,
    ],
  ])
  const [line] = await once(holder.stdout, 'data')
  const file = join(tmpdir(), `memis-ports-${userInfo().uid}`, String(Number(line)))
  assert.is(readFileSync(file, 'utf8'), String(holder.pid))
  // As if chance chose it first.
  const random = Math.random
  const tried: number[] = []
  Math.random = () => {
    tried.push(Number(line))
    return tried.length === 1 ? (Number(line) - 10_000 + 0.5) / 20_000 : random()
  }
  try {
    assert.is.not(await freePort(), Number(line))
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    tried.length = 0
    await freePort()
    // The file of a process that has ended does not count.
    assert.not.ok(existsSync(file))
  } finally {
    Math.random = random
    holder.kill('SIGKILL')
  }
})

test('the server runs scripts, and has cjson', async () => {
  const server = await startRedis()
  const script = `redis.call('hset', KEYS[1], 'a', cjson.encode({1, 2})); return redis.call('hget', KEYS[1], 'a')`
  assert.is(await command(server, 'EVAL', script, '1', 'k'), '[1,2]')
  await server.stop()
  assert.not.ok(await answers(server.port))
  assert.not.ok(existsSync(server.dir))
})

test('kill -9 and restart: contents stay with persistence and are lost without', async () => {
  for (const persistence of ['aof', 'none'] as const) {
    const server = await startRedis({ persistence })
    await command(server, 'SET', 'k', 'v')
    const { pid } = server
    await server.kill()
    assert.not.ok(await answers(server.port))
    await server.restart()
    assert.is.not(server.pid, pid)
    assert.is(await command(server, 'GET', 'k'), persistence === 'aof' ? 'v' : null)
    await server.stop()
  }
})

test('a paused server answers once it is resumed, and can be stopped while it is paused', async () => {
  const server = await startRedis({ password: 'secret' })
  server.pause()
  let answered = false
  const reply = command(server, 'PING').finally(() => (answered = true))
  await sleep(100)
  assert.not.ok(answered)
  server.resume()
  assert.is(await reply, 'PONG')
  server.pause()
  await server.stop()
})

test('a second server on the same port is refused, with the reason', async () => {
  const first = await startRedis({ port: await freePort() })
  const error = await startRedis({ port: first.port }).then(
    () => null,
    (error: Error) => error,
  )
  assert.match(error?.message ?? '', /address already in use/i)
  await first.stop()
})

/** Makes the one call on a connection of its own. */
async function manage<R>(url: string, call: (manager: JetStreamManager) => Promise<R>): Promise<R> {
  const { hostname, port, username, password } = new URL(url)
  const connection = await connectNats({ servers: `${hostname}:${port}`, user: username, pass: password })
  try {
    return await call(await connection.jetstreamManager())
  } finally {
    await connection.close()
  }
}

/** In a cluster without a leader, a request is lost or refused: repeats it. */
async function answered<R>(ask: () => Promise<R>): Promise<R> {
  let outcome: PromiseSettledResult<R> | undefined
  const isAnswered = async () => {
    outcome = (await Promise.allSettled([ask()]))[0]
    return outcome.status === 'fulfilled'
  }
  await until('it is answered', isAnswered, 60_000).catch((error) => {
    throw (outcome as PromiseRejectedResult | undefined)?.reason ?? error
  })
  return (outcome as PromiseFulfilledResult<R>).value
}

const streams = (server: Server) => manage(server.url, (manager) => manager.streams.names().next())

test('NATS: kill -9 and restart keep a stream, unless its files are removed', async () => {
  const server = await startNats({ password: 'secret' })
  assert.match(server.log, /Version: +2\.(1[5-9]|[2-9]\d)\./)
  await manage(server.url, (manager) => manager.streams.add({ name: 'kept', subjects: ['kept'] }))
  const { pid } = server
  await server.kill()
  assert.not.ok(await answers(server.port))
  await server.restart()
  assert.is.not(server.pid, pid)
  assert.equal(await streams(server), ['kept'])
  await server.kill()
  rmSync(join(server.dir, 'jetstream'), { recursive: true })
  await server.restart()
  assert.equal(await streams(server), [])
  await server.stop()
  assert.not.ok(await answers(server.port))
  assert.not.ok(existsSync(server.dir))
})

test('an old NATS can be had, for what must refuse it', async () => {
  const server = await startNats({ binary: 'nats-server-2.9' })
  assert.match(server.log, /Version: +2\.9\./)
  await server.stop()
})

test('three servers of NATS form a cluster, and elect another leader when theirs is killed', async () => {
  const cluster = await startNatsCluster()
  const [{ url }] = cluster.servers as [Server]
  const { cluster: placed } = await answered(() =>
    manage(url, (manager) => manager.streams.add({ name: 'three', subjects: ['three'], num_replicas: 3 })),
  )
  assert.is(placed?.replicas?.length, 2)
  const nextTo = async (last?: Server) => {
    let leader: Server | undefined
    const isThere = async () => {
      leader = await cluster.leader('three')
      return leader !== undefined && leader !== last
    }
    await until('the stream has a leader', isThere, 60_000)
    return leader as Server
  }
  const leader = await nextTo()
  await leader.kill()
  await nextTo(leader)
  await leader.restart()
  assert.match(String(await answered(() => streams(leader))), 'three')
  await cluster.stop()
  for (const { port, dir } of cluster.servers) assert.not.ok((await answers(port)) || existsSync(dir))
})

test('a NATS that is started without JetStream has none', async () => {
  const server = await startNats({ jetstream: false })
  const error = await streams(server).then(
    () => null,
    (error: Error) => error,
  )
  assert.match(error?.message ?? '', /503|jetstream/i)
  await server.stop()
})

test('somebody else who answers like NATS on the port is not mistaken for the server', async () => {
  const other = createServer((socket) => socket.end('INFO {"server_name":"other"}\r\n')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const error = await startNats({ port }).then(
    () => null,
    (error: Error) => error,
  )
  assert.match(error?.message ?? '', /address already in use/i)
  other.close()
})

// The ways in which a process may end without stopping its servers.
const ends = {
  'at its own end': '',
  'by an uncaught error': `throw new Error('uncaught')`,
  'by process.exit': 'process.exit(3)',
  'by SIGTERM': 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)',
  'by SIGINT': 'process.kill(process.pid, "SIGINT"); setInterval(() => {}, 1000)',
}
for (const [name, end] of Object.entries(ends)) {
  test(`a process that ends ${name} leaves no server and no directory`, async () => {
    const script = `require(${JSON.stringify(require.resolve('./servers'))}).startRedis().then((server) => {
      console.log(JSON.stringify(server))
      ${end}
    })`
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    await once(child, 'close')
    const server = JSON.parse(out) as Server
    // It was killed while its parent ended: nobody waited for its end.
    for (let waited = 0; await answers(server.port); waited += 10) {
      assert.ok(waited < 2000, 'the server still runs')
      await sleep(10)
    }
    assert.not.ok(existsSync(server.dir))
  })
}

test.run()
