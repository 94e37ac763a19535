/** Servers for a figure, stopped whatever happens in it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, type Server, serverBinary, startRedis } from '../../../test/support/servers'

/** Whether memis has the transport. */
export const hasNats = () => existsSync(join(__dirname, '../../../src/transports/nats'))

export async function withRedis<R>(run: (server: Server) => Promise<R>): Promise<R> {
  const server = await startRedis()
  try {
    return await run(server)
  } finally {
    await server.stop()
  }
}

export async function withNats<R>(run: (server: { url: string }) => Promise<R>): Promise<R> {
  const { file, env } = await serverBinary('nats-server-2.15')
  const dir = mkdtempSync(join(tmpdir(), 'memis-bench-'))
  const port = await freePort()
  const server = spawn(file, ['-js', '-sd', dir, '-a', '127.0.0.1', '-p', String(port)], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  })
  const stop = () => server.kill('SIGKILL')
  process.on('exit', stop)
  try {
    while (!(await answers(port))) await sleep(20)
    return await run({ url: `nats://127.0.0.1:${port}` })
  } finally {
    process.off('exit', stop)
    stop()
    await once(server, 'exit')
    rmSync(dir, { recursive: true, force: true })
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
