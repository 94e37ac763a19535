/** NATS under chaos. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Raw, readStore } from '../nats/support'
import { freePort } from '../support/free-port'
import { startNats } from '../support/servers'
import type { ChaosStore } from './store'

const stream = 'KV_memis-chaos'

export async function natsStore(persistent: boolean): Promise<ChaosStore> {
  // For the list of connections.
  const monitor = await freePort()
  const server = await startNats({ args: ['--http_port', String(monitor)] })

  /** On a connection of its own: the server is killed now and then. */
  async function withRaw<R>(run: (raw: Raw) => Promise<R>): Promise<R> {
    await using raw = await Raw.connect(server.url, { timeout: 2000, reconnect: false })
    return await run(raw)
  }
  const consumersOf = async (raw: Raw): Promise<string[]> =>
    ((await raw.askInVain(`CONSUMER.LIST.${stream}`))?.consumers ?? []).map(({ name }: { name: string }) => name)
  const deleteConsumers = (most: number) =>
    withRaw(async (raw) => {
      for (const name of (await consumersOf(raw)).slice(0, most))
        await raw.askInVain(`CONSUMER.DELETE.${stream}.${name}`)
    })

  return {
    server,
    persistent,
    mayErase: true,
    // After a kill -9, messages that were overwritten shortly before may be there again, unless a tombstone overwrites them.
    retentions: [600_000],
    instantFaults: [
      { name: 'consumer deleted', loses: false, run: () => deleteConsumers(1) },
      { name: 'all consumers deleted', loses: false, run: () => deleteConsumers(Infinity) },
      {
        name: 'stream deleted',
        loses: true,
        run: () => withRaw(async (raw) => void (await raw.askInVain(`STREAM.DELETE.${stream}`))),
      },
    ],
    clientOptions: (port) => ({ transport: 'nats', servers: `127.0.0.1:${port}` }),
    read: (collection) =>
      withRaw((raw) =>
        readStore(raw, collection, 'chaos').catch((error: Error) => {
          if (/stream not found/.test(error.message)) return new Map<string, unknown>()
          throw error
        }),
      ),
    explain: (collection, key) =>
      withRaw(async (raw) => {
        const { created, state } = await raw.ask(`STREAM.INFO.${stream}`)
        const epochs = await raw.last('chaos', '$KV.memis-chaos.=')
        const last = await raw.last('chaos', `$KV.memis-chaos.${collection}.${key}`)
        const headers = [...(last?.headers ?? [])].map(([name, value]) => `${name}: ${value}`)
        const message = `${last?.sequence} ${headers.join(', ')} ${last?.text.slice(0, 100)}`
        return `stream of ${created}, ${state.first_seq} to ${state.last_seq}, epochs ${epochs?.text}; last message ${message}`
      }),
    async leftovers() {
      const consumers = await withRaw(consumersOf)
      const page = await fetch(`http://127.0.0.1:${monitor}/connz`).then((reply) => reply.json())
      const { connections } = page as { connections: { ip: string; port: number }[] }
      return [...consumers, ...connections.map(({ ip, port }) => `connection of ${ip}:${port}`)]
    },
    async work() {
      const page = await fetch(`http://127.0.0.1:${monitor}/varz`).then((reply) => reply.json())
      const { in_msgs, out_msgs } = page as { in_msgs: number; out_msgs: number }
      return in_msgs + out_msgs
    },
    slowest: async () => undefined,
    async restart() {
      if (!persistent) rmSync(join(server.dir, 'jetstream'), { recursive: true, force: true, maxRetries: 3 })
      await server.restart()
    },
    async backUp() {
      const files = join(server.dir, 'jetstream')
      const copy = join(server.dir, `copy-${performance.now()}`)
      server.pause()
      cpSync(files, copy, { recursive: true })
      server.resume()
      return async () => {
        await server.kill()
        rmSync(files, { recursive: true, force: true, maxRetries: 3 })
        cpSync(copy, files, { recursive: true })
        await server.restart()
      }
    },
    stop: () => server.stop(),
  }
}
