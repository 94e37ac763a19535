/** Free ports of the loopback. No two processes get the same one, even if the server on it is down at the moment. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** A file for each port, with the id of the process that holds it. */
const holds = join(tmpdir(), `memis-ports-${userInfo().uid}`)
const held: string[] = []

/** A port that nobody listens on. No other process gets it while this one lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    // Below the range of outgoing connections: in that range, a client that reconnects to a server which is down can get
    // the server's port as its own, connect to itself, and keep the server from starting again.
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    if (!hold(port)) continue
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

function hold(port: number): boolean {
  const file = join(holds, String(port))
  mkdirSync(holds, { recursive: true })
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
  } catch {
    // A process that was killed leaves its files: the port can be used next time.
    if (!holderLives(file)) rmSync(file, { force: true })
    return false
  }
  if (held.length === 0) process.on('exit', () => held.forEach((each) => void rmSync(each, { force: true })))
  held.push(file)
  return true
}

function holderLives(file: string): boolean {
  try {
    return process.kill(Number(readFileSync(file, 'utf8')), 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
