/** A NATS server as the conformance suites take a store: each case has one of its own, and each transport a proxy of its own. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConformanceOptions, Store } from '../../src/conformance'
import type { CollectionId, Transport } from '../../src/core/transport'
import { namesOf, subjectOf } from '../../src/transports/nats/names'
import { natsTransport } from '../../src/transports/nats/transport'
import { startProxy, type TcpProxy } from '../support/proxy'
import { type Server, startNats } from '../support/servers'
import { Raw } from './support'

export interface NatsStore extends Store {
  readonly server: Server
  readonly proxies: Map<Transport, TcpProxy>
  isCut: boolean
  isBehind: boolean
}

async function withRaw<R>({ server }: NatsStore, call: (raw: Raw) => Promise<R>): Promise<R> {
  await using raw = await Raw.connect(server.url)
  return await call(raw)
}

async function replaceFiles({ server }: NatsStore, copy?: string): Promise<void> {
  const files = join(server.dir, 'jetstream')
  await server.kill()
  rmSync(files, { recursive: true, force: true })
  if (copy !== undefined) cpSync(copy, files, { recursive: true })
  await server.restart()
}

const hour = 3_600_000

/** All times that the server tells are an hour earlier from now on: its clock is the machine's, which must not be changed. */
function setBack(proxy: TcpProxy): void {
  const text = /"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=\.\d+Z")/g
  const nanoseconds = /(?<=\$JS\.ACK(?:\.[^. ]+){2}(?:\.\d+){3}\.)\d{13}/g
  // Nothing is lost, but what passes is changed.
  proxy.loseNext((chunk) => {
    const before = chunk.toString('latin1')
    const after = before
      .replace(text, (time) => `"${new Date(Date.parse(`${time.slice(1)}Z`) - hour).toISOString().slice(0, 19)}`)
      .replace(nanoseconds, (ms) => String(Number(ms) - hour))
    if (after !== before) chunk.write(after, 'latin1')
    return false
  })
}

export const nats: Pick<ConformanceOptions<NatsStore>, 'setup' | 'hooks' | 'lacks'> = {
  lacks: natsTransport({}).lacks,
  async setup() {
    const server = await startNats()
    const proxies = new Map<Transport, TcpProxy>()
    const store: NatsStore = {
      server,
      proxies,
      isCut: false,
      isBehind: false,
      async transport() {
        const proxy = await startProxy(server.port)
        if (store.isCut) proxy.cut()
        if (store.isBehind) setBack(proxy)
        const transport = natsTransport({ url: `nats://127.0.0.1:${proxy.port}` })
        proxies.set(transport, proxy)
        return transport
      },
      async teardown() {
        await Promise.all([...proxies.values()].map((proxy) => proxy.close()))
        await server.stop()
      },
    }
    return store
  },
  hooks: {
    cut(store, transport) {
      if (transport !== undefined) return store.proxies.get(transport)?.cut()
      store.isCut = true
      for (const proxy of store.proxies.values()) proxy.cut()
    },
    silence: ({ proxies }, transport) => proxies.get(transport)?.freeze(),
    async heal(store, transport) {
      if (transport !== undefined) return void (await store.proxies.get(transport)?.heal())
      store.isCut = false
      await Promise.all([...store.proxies.values()].map((proxy) => proxy.heal()))
    },
    // A delivery of the transport's consumer.
    dropNotification: ({ proxies }, transport) =>
      proxies.get(transport)?.loseNext((chunk) => /^H?MSG \$KV\./.test(chunk.toString('latin1', 0, 12))),
    lose: (store) => replaceFiles(store),
    async loseWithClockBehind(store) {
      store.isBehind = true
      for (const proxy of store.proxies.values()) setBack(proxy)
      await replaceFiles(store)
    },
    async backUp(store) {
      const { server } = store
      const copy = `${join(server.dir, 'jetstream')}.${Math.random()}`
      // What was acknowledged is in the files once the server has flushed them.
      await sleep(200)
      server.pause()
      cpSync(join(server.dir, 'jetstream'), copy, { recursive: true })
      server.resume()
      return () => replaceFiles(store, copy)
    },
    async damage(store, id, key) {
      await withRaw(store, (raw) => raw.publish(subjectOf(namesOf(id), key), '{"a":'))
    },
    refuseWrites: (store, refuse) =>
      withRaw(store, async (raw) => {
        for (const stream of (await raw.ask('STREAM.NAMES')).streams ?? []) {
          const { config } = await raw.ask(`STREAM.INFO.${stream}`)
          await raw.ask(`STREAM.UPDATE.${stream}`, { ...config, max_msg_size: refuse ? 1 : -1 })
        }
      }),
    countRecords: (store, id: CollectionId) =>
      withRaw(store, async (raw) => {
        const names = namesOf(id)
        const info = await raw.ask(`STREAM.INFO.${names.stream}`).catch(() => undefined)
        return info?.state.messages ?? 0
      }),
  },
}
