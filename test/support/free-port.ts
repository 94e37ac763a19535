/** Ports of the loopback for servers of tests, none of which two processes are given, though the one's server is down just now. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** A file for each port, which names the process that holds it until it ends. */
const holds = join(tmpdir(), `memis-ports-${userInfo().uid}`)
const held: string[] = []

/** A port that nobody listens on, and that no other test is given while this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    // Below the range that systems take for outgoing connections: there, a client that redials a server which is down
    // can get the server's port as its own, connect to itself, and keep the server from coming back.
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
    // Of a process that was killed: another time.
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
