/** Conditional edits of two processes, through restarts and failovers that lose confirmed writes. */
import { cpSync, rmSync } from 'node:fs'
import { type ClientOptions, createClient } from '../../src'
import { edits, type Lossy } from '../scenarios/edits'
import { startProxy } from '../support/proxy'
import type { RedisOptions, Server } from '../support/servers'
import { Interceptor } from './interceptor'
import { type Disposable, Raw, redisServer, suite, until } from './support'

const test = suite('edits', 300_000)

/** Takes the server back, or puts another one in its place. */
type Keep = (server: Server, interceptor: Interceptor) => ReturnType<Lossy['keep']>

const losses: readonly { name: string; options?: RedisOptions; keep: Keep }[] = [
  {
    name: 'killed, and restarted without persistence',
    keep: async (server) => () => server.restart(),
  },
  {
    name: 'killed, and restarted with an older copy',
    options: { persistence: 'aof' },
    async keep(server) {
      const [kept, live] = [`${server.dir}/kept`, `${server.dir}/appendonlydir`]
      rmSync(kept, { recursive: true, force: true })
      cpSync(live, kept, { recursive: true })
      return async () => {
        await server.kill()
        rmSync(live, { recursive: true })
        cpSync(kept, live, { recursive: true })
        await server.restart()
      }
    },
  },
  { name: 'killed, and a replica promoted that lagged', keep: promote },
]

const promoted: Disposable<Server>[] = []

/** From now on the replica does not hear of the master, and takes its place at the end. */
async function promote(server: Server, interceptor: Interceptor): Promise<() => Promise<unknown>> {
  const master = promoted.at(-1) ?? server
  const replica = await redisServer()
  promoted.push(replica)
  const link = await startProxy(master.port)
  await using raw = await Raw.connect(replica.url)
  await raw.send('REPLICAOF', '127.0.0.1', String(link.port))
  await until('the replica follows', async () => /master_link_status:up/.test(await raw.send('INFO', 'replication')))
  await link.close()
  return async () => {
    await master.kill()
    await using raw = await Raw.connect(replica.url)
    await raw.send('REPLICAOF', 'NO', 'ONE')
    interceptor.redirect(replica)
  }
}

for (const { name, options, keep } of losses) {
  for (const after of ['looks again', 'takes what is there'] as const) {
    test(`C2 K7 ${name}: an editor who ${after} loses no edit without a conflict`, async () => {
      await using server = await redisServer(options)
      await using interceptor = await Interceptor.start(server)
      const given: ClientOptions = { transport: 'redis', url: interceptor.url, auditInterval: 200 }
      try {
        await edits(
          { name, options: given, client: () => createClient(given), keep: () => keep(server, interceptor) },
          after,
        )
      } finally {
        for (const replica of promoted.splice(0)) await replica.stop()
      }
    })
  }
}

test.run()
