/** Redis or Valkey under chaos. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseOf, Raw, readStore } from '../redis/support'
import { startRedis } from '../support/servers'
import type { ChaosStore, InstantFault } from './store'

export async function redisStore(persistent: boolean, binary: 'redis-server' | 'valkey-server'): Promise<ChaosStore> {
  const server = await startRedis({
    persistence: persistent ? 'aof' : 'none',
    binary,
    args: ['--slowlog-log-slower-than', '1000', '--slowlog-max-len', '10000'],
  })

  /** On a connection of its own: the server is killed now and then. */
  async function withRaw<R>(run: (raw: Raw) => Promise<R>): Promise<R> {
    await using raw = await Raw.connect(server.url, { socket: { reconnectStrategy: false, connectTimeout: 2000 } })
    return await run(raw)
  }
  const command = (name: string, loses: boolean, ...args: string[]): InstantFault => ({
    name,
    loses,
    run: () => withRaw((raw) => raw.send(...args)),
  })

  return {
    server,
    persistent,
    retentions: [500, 600_000],
    instantFaults: [
      command('SCRIPT FLUSH', false, 'SCRIPT', 'FLUSH'),
      command('CLIENT KILL TYPE pubsub', false, 'CLIENT', 'KILL', 'TYPE', 'pubsub'),
      command('CLIENT KILL TYPE normal', false, 'CLIENT', 'KILL', 'TYPE', 'normal'),
      command('FLUSHALL', true, 'FLUSHALL'),
    ],
    clientOptions: (port) => ({ transport: 'redis', url: `redis://127.0.0.1:${port}` }),
    read: (collection) => withRaw((raw) => readStore(raw, collection, 'chaos')),
    explain: (collection, key) =>
      withRaw(async (raw) => {
        const base = baseOf('chaos', collection)
        const meta = await raw.send('HMGET', `${base}/meta`, 'epoch', 'epochs', 'head')
        const item = await raw.send('HGETALL', `${base}:${key}`)
        const scores = await Promise.all(['log', 'ttl'].map((name) => raw.send('ZSCORE', `${base}/${name}`, key)))
        return JSON.stringify({ meta, item, scores })
      }),
    leftovers: () =>
      withRaw(async (raw) => {
        const own = await raw.send('CLIENT', 'ID')
        const list: string[] = String(await raw.send('CLIENT', 'LIST'))
          .trim()
          .split('\n')
        return list.filter((line) => !line.startsWith(`id=${own} `))
      }),
    work: () =>
      withRaw(async (raw) =>
        Number(/total_commands_processed:(\d+)/.exec(String(await raw.send('INFO', 'stats')))?.[1]),
      ),
    slowest: () =>
      withRaw(async (raw) => {
        const list: [id: number, at: number, microseconds: number][] = await raw.send('SLOWLOG', 'GET', '-1')
        await raw.send('SLOWLOG', 'RESET')
        return Math.max(0, ...list.map(([, , microseconds]) => microseconds)) / 1000
      }),
    restart: () => server.restart(),
    async backUp() {
      const dump = join(server.dir, 'dump.rdb')
      await withRaw((raw) => raw.send('SAVE'))
      const copy = readFileSync(dump)
      // A server that is killed meanwhile starts without contents.
      rmSync(dump)
      return async () => {
        await server.kill()
        writeFileSync(dump, copy)
        await server.restart()
        rmSync(dump)
      }
    },
    stop: () => server.stop(),
  }
}
