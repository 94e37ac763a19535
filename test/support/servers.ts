/**
 * Real servers for tests and benches: each on a free port of the loopback and in a directory of its own. A server ends with the
 * process that started it, unless that is killed by SIGKILL: then the test runner ends its process group.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port'
import { type ServerName, serverBinary } from './server-binary'

export { type ServerName, serverBinary } from './server-binary'

export interface Server {
  readonly url: string
  readonly port: number
  readonly dir: string
  /** The id of the process that runs now, or ran last: a restart changes it. */
  readonly pid: number
  /** The end of what the server has printed, before restarts, too. */
  readonly log: string
  /** Ends the process; resolves once it is gone. Default: SIGKILL, which leaves the server no time to save anything. */
  kill(signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<void>
  /** SIGSTOP: connections stay open, and nothing answers. */
  pause(): void
  resume(): void
  /** Kills it if it runs, and starts it again on the same port and directory; resolves once it answers. */
  restart(): Promise<void>
  /** Kills it and removes its directory, unless that was given. */
  stop(): Promise<void>
}

export interface StartOptions {
  binary?: ServerName
  /** Default: a free one. */
  port?: number
  /** Where the server keeps its files. Default: a temporary directory, which is removed at the end. */
  dir?: string
  /** More arguments for the program. They come last, so they override others. */
  args?: string[]
}

export interface RedisOptions extends StartOptions {
  binary?: 'redis-server' | 'valkey-server'
  /** `aof`: every write that was answered is on the disk. Default: `none`. */
  persistence?: 'none' | 'aof'
  /** Is part of `url`. Letters and digits. */
  password?: string
  /** The file of a configuration: the server is a sentinel. */
  sentinel?: string
}

export function startRedis(options: RedisOptions = {}): Promise<Server> {
  const { persistence = 'none', password = '', sentinel } = options
  return startServer(
    { binary: 'redis-server', ...options },
    {
      url: (port) => `redis://${password && `:${password}@`}127.0.0.1:${port}`,
      args: (port, dir) => [
        ...(sentinel === undefined ? [] : [sentinel, '--sentinel']),
        ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
        ...(sentinel === undefined ? ['--save', ''] : []),
        ...(persistence === 'aof'
          ? ['--appendonly', 'yes', '--appendfsync', 'always']
          : sentinel === undefined
            ? ['--appendonly', 'no']
            : []),
        ...(password ? ['--requirepass', password] : []),
      ],
      // The process id distinguishes it from a server of somebody else who took the port a moment earlier.
      answers: async (port, pid) => {
        const login = password && `AUTH ${password}\r\n`
        const reply = await ask(port, `${login}PING\r\nINFO server\r\n`, /process_id:\d+\r/)
        return reply.includes('+PONG') && reply.includes(`process_id:${pid}\r`)
      },
    },
  )
}

export interface NatsOptions extends StartOptions {
  binary?: 'nats-server-2.9' | 'nats-server-2.15'
  /** Default true. Its files are in `jetstream` of the server's directory. */
  jetstream?: boolean
  /** Is part of `url`, with the user `memis`. Letters and digits. */
  password?: string
}

export function startNats(options: NatsOptions = {}): Promise<Server> {
  const { jetstream = true, password = '' } = options
  // It is in the first line of each connection, and so distinguishes this server from one of somebody else who took the port a
  // moment earlier. The members of a cluster know each other by it, so a restart keeps it.
  const name = `memis-${randomUUID()}`
  return startServer(
    { binary: 'nats-server-2.15', ...options },
    {
      url: (port) => `nats://${password && `memis:${password}@`}127.0.0.1:${port}`,
      args: (port, dir) => [
        ...['--addr', '127.0.0.1', '--port', String(port), '--server_name', name],
        ...(jetstream ? ['--jetstream', '--store_dir', dir] : []),
        ...(password ? ['--user', 'memis', '--pass', password] : []),
      ],
      answers: async (port) => (await ask(port, '', /^INFO .*\r\n/)).includes(`"server_name":"${name}"`),
    },
  )
}

/** The differences between the kinds of servers. */
interface Kind {
  url(port: number): string
  args(port: number, dir: string): string[]
  /** Whether the process of this id serves on the port. */
  answers(port: number, pid: number): Promise<boolean>
}

export const startTimeout = 60_000
const cleanups = new Set<() => void>()

async function startServer(options: StartOptions & { binary: ServerName }, kind: Kind): Promise<Server> {
  const { file, env } = await serverBinary(options.binary)
  // The test runner removes MEMIS_TMP, also after a test process that it had to kill.
  const dir = options.dir ?? mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), `memis-${options.binary}-`))
  let child: ChildProcess
  let port = 0
  let log = ''
  let isServing = false

  const isRunning = () => child.exitCode === null && child.signalCode === null

  /** Resolves to whether the server answers. If it has ended instead, its log says why. */
  async function launch(): Promise<boolean> {
    const args = [...kind.args(port, dir), ...(options.args ?? [])]
    child = spawn(file, args, { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    await once(child, 'spawn')
    child.on('exit', (code, signal) => {
      // Otherwise the failure of the test would be a riddle.
      if (isServing) console.error(`${options.binary} died by itself (${code ?? signal}):\n${log.slice(-3000)}`)
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        log = (log + chunk).slice(-50_000)
      })
      // A server that a test forgot to stop does not keep the process from ending.
      ;(stream as { unref?(): void } | null)?.unref?.()
    }
    child.unref()
    const deadline = performance.now() + startTimeout
    while (isRunning() && performance.now() < deadline) {
      if (await kind.answers(port, child.pid as number).catch(() => false)) {
        isServing = true
        return true
      }
      await sleep(10)
    }
    return false
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!isRunning()) return
    isServing = false
    child.ref()
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  function cleanUp(): void {
    cleanups.delete(cleanUp)
    isServing = false
    if (isRunning()) child.kill('SIGKILL')
    if (!options.dir) rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
  }

  async function fail(): Promise<never> {
    await kill()
    cleanUp()
    throw new Error(`${file} did not start on port ${port}:\n${log}`)
  }

  cleanUpAtExit()
  cleanups.add(cleanUp)
  for (let tries = 1; ; tries++) {
    port = options.port ?? (await freePort())
    if (await launch()) break
    // Somebody else may have taken the port before the server started.
    if (options.port || tries === 5 || !/address already in use/i.test(log)) await fail()
    log = ''
  }

  return {
    port,
    dir,
    url: kind.url(port),
    get pid() {
      return child.pid as number
    },
    get log() {
      return log
    },
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async restart() {
      await kill()
      if (!(await launch())) await fail()
    },
    async stop() {
      await kill()
      cleanUp()
    },
  }
}

/** Sends a request to a port. Resolves to the reply once it matches. */
function ask(port: number, request: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.setTimeout(1000, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk) => {
      reply += chunk
      if (until.test(reply)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(reply))
  })
}

function cleanUpAtExit(): void {
  if (process.listeners('exit').includes(cleanUpAll)) return
  process.on('exit', cleanUpAll)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      cleanUpAll()
      // Nobody else handles the signal: the process ends as if this listener were not there.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
}

function cleanUpAll(): void {
  for (const cleanUp of cleanups) cleanUp()
}
