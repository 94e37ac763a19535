/** The servers that other tests lean on do what their names say, and nothing of them stays. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort, type Server, startRedis } from './servers'

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

/** Whether somebody listens there. A process id would not tell: a zombie has one too. */
const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
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

test('two servers asked for the same port: the second one is refused, with the reason', async () => {
  const first = await startRedis({ port: await freePort() })
  const error = await startRedis({ port: first.port }).then(
    () => null,
    (error: Error) => error,
  )
  assert.match(error?.message ?? '', /address already in use/i)
  await first.stop()
})

// How a process may end without having stopped its servers.
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
    // It was killed while its parent died: nobody waited for its end.
    for (let waited = 0; await answers(server.port); waited += 10) {
      assert.ok(waited < 2000, 'the server still runs')
      await sleep(10)
    }
    assert.not.ok(existsSync(server.dir))
  })
}

test.run()
