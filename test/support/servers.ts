/**
 * Real servers for tests, demo and benches: each on a free port of the loopback, in a directory of its own, and gone
 * with the process that started it, however that ends (kill -9 apart: then whoever killed it ends the process group).
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
  /** Of the process that runs now, or ran last: a restart changes it. */
  readonly pid: number
  /** The end of what the server has printed, in all its lives. */
  readonly log: string
  /** Ends the process and resolves once it is gone. SIGKILL, the default, leaves the server no time for a goodbye. */
  kill(signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<void>
  /** SIGSTOP: the connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Starts it again on the same port and directory, killing it first if it still runs; resolves once it answers. */
  restart(): Promise<void>
  /** Kills it and removes its directory, unless that was given. */
  stop(): Promise<void>
}

export interface StartOptions {
  binary?: ServerName
  /** Default: a free one. */
  port?: number
  /** Where the server keeps its files; default: a temporary one, removed at the end. */
  dir?: string
  /** More arguments for the program; they come last, so they win. */
  args?: string[]
}

export interface RedisOptions extends StartOptions {
  binary?: 'redis-server' | 'valkey-server'
  /** `aof` has on disk every write that was answered; default: nothing is kept. */
  persistence?: 'none' | 'aof'
  /** Stands in `url` as well. Letters and digits. */
  password?: string
}

export function startRedis(options: RedisOptions = {}): Promise<Server> {
  const { persistence = 'none', password = '' } = options
  return startServer(
    { binary: 'redis-server', ...options },
    {
      url: (port) => `redis://${password && `:${password}@`}127.0.0.1:${port}`,
      args: (port, dir) => [
        ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--save', ''],
        ...(persistence === 'aof' ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
        ...(password ? ['--requirepass', password] : []),
      ],
      // The process id tells it from a server of somebody else who took the same port a moment earlier.
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
  /** Default true; its files are in `jetstream` of the server's directory. */
  jetstream?: boolean
  /** Stands in `url` as well, with the user `memis`. Letters and digits. */
  password?: string
}

export function startNats(options: NatsOptions = {}): Promise<Server> {
  const { jetstream = true, password = '' } = options
  // Told in the first line of each connection, so it tells ours from a server of somebody else who took the same port a
  // moment earlier. A cluster knows its members by it, so it stays over a restart.
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

export interface NatsCluster {
  readonly servers: readonly Server[]
  /** The one that leads a stream, or, without a stream, the cluster; undefined while it is not known. */
  leader(stream?: string): Promise<Server | undefined>
  stop(): Promise<void>
}

/** Three servers of one cluster; resolves once they have a leader, and each says that it is healthy. */
export async function startNatsCluster(options: Pick<NatsOptions, 'binary'> = {}): Promise<NatsCluster> {
  for (let tries = 1; ; tries++) {
    const members = await Promise.all(
      [1, 2, 3].map(async () => ({ route: await freePort(), monitor: await freePort() })),
    )
    const routes = members.map(({ route }) => `nats://127.0.0.1:${route}`)
    const starts = await Promise.allSettled(
      members.map(({ monitor }, i) =>
        startNats({
          ...options,
          args: [
            ...['--cluster_name', 'memis', '--cluster', routes[i] as string, '--routes', routes.join()],
            ...['--http_port', String(monitor)],
          ],
        }),
      ),
    )
    const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
    const stop = async () => void (await Promise.all(servers.map((server) => server.stop())))
    const failed = starts.find((start) => start.status === 'rejected')
    if (failed === undefined) {
      const cluster = clusterOf(
        servers,
        members.map(({ monitor }) => monitor),
        stop,
      )
      if (await cluster.forms()) return cluster
    }
    await stop()
    // As above: somebody else may have taken a port of the routes, of which the servers themselves choose no other.
    if (tries === 3)
      throw failed?.reason ?? new Error(`no leader was found:\n${servers.map(({ log }) => log).join('\n')}`)
  }
}

function clusterOf(servers: readonly Server[], monitors: readonly number[], stop: () => Promise<void>) {
  /** What a server tells by its monitoring, or undefined while it tells nothing. */
  // biome-ignore lint/suspicious/noExplicitAny: each page is another
  const look = (i: number, page: string): Promise<any> =>
    fetch(`http://127.0.0.1:${monitors[i]}/${page}`, { signal: AbortSignal.timeout(1000) }).then(
      (reply) => reply.json(),
      () => undefined,
    )
  const named = new Map<string, Server>()

  /** By the word of most: one that is cut off or paused believes what is no longer so. */
  async function leader(stream?: string): Promise<Server | undefined> {
    const votes = await Promise.all(
      servers.map(async (_, i) => {
        const page = await look(i, stream === undefined ? 'jsz' : 'jsz?streams=true')
        if (page === undefined) return undefined
        if (stream === undefined) return page.meta_cluster?.leader
        // biome-ignore lint/suspicious/noExplicitAny: as above
        const streams = (page.account_details ?? []).flatMap((account: any) => account.stream_detail ?? [])
        // biome-ignore lint/suspicious/noExplicitAny: as above
        return streams.find((one: any) => one.name === stream)?.cluster?.leader
      }),
    )
    const name = votes.find((vote) => vote && votes.filter((other) => other === vote).length > servers.length / 2)
    return named.get(name)
  }

  async function forms(): Promise<boolean> {
    for (const [i, server] of servers.entries()) {
      const page = await look(i, 'varz')
      if (page !== undefined) named.set(page.server_name, server)
    }
    const deadline = performance.now() + startTimeout
    while (performance.now() < deadline) {
      const healthy = await Promise.all(servers.map((_, i) => look(i, 'healthz')))
      if (healthy.every((page) => page?.status === 'ok') && (await leader()) !== undefined) return true
      await sleep(20)
    }
    return false
  }

  return { servers, leader, forms, stop }
}

/** What differs from one kind of server to another. */
interface Kind {
  url(port: number): string
  args(port: number, dir: string): string[]
  /** Whether the process of this id serves on the port. */
  answers(port: number, pid: number): Promise<boolean>
}

const startTimeout = 60_000
const cleanups = new Set<() => void>()

async function startServer(options: StartOptions & { binary: ServerName }, kind: Kind): Promise<Server> {
  const { file, env } = await serverBinary(options.binary)
  // MEMIS_TMP is the test runner's, which removes it also after a test process that it had to kill.
  const dir = options.dir ?? mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), `memis-${options.binary}-`))
  let child: ChildProcess
  let port = 0
  let log = ''
  let isServing = false

  const isRunning = () => child.exitCode === null && child.signalCode === null

  /** Resolves to whether the server answers; if it has ended instead, its log says why. */
  async function launch(): Promise<boolean> {
    const args = [...kind.args(port, dir), ...(options.args ?? [])]
    child = spawn(file, args, { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    await once(child, 'spawn')
    child.on('exit', (code, signal) => {
      // What a test makes of it would be a riddle.
      if (isServing) console.error(`${options.binary} died by itself (${code ?? signal}):\n${log.slice(-3000)}`)
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        log = (log + chunk).slice(-50_000)
      })
      // A server that a test forgot keeps no process from ending.
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
    // Between our look and its start, somebody else may have taken the port.
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

/** Sends to a port and resolves to what comes back, once it matches. */
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
      // Nobody else wants to end in a way of their own: end as if we had not listened.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
}

function cleanUpAll(): void {
  for (const cleanUp of cleanups) cleanUp()
}
