/** A master, two replicas and three sentinels on the loopback. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port'
import { argsOf, type GroupSettings, RedisNode } from './redis-node'
import { until } from './testing'

export interface SentinelSettings extends GroupSettings {
  /** `down-after-milliseconds`. */
  downAfter?: number
}

export const groupName = 'mymaster'

export class SentinelGroup {
  readonly servers: readonly RedisNode[]
  readonly sentinels: readonly RedisNode[]
  readonly #dirs: readonly string[]

  private constructor(servers: readonly RedisNode[], sentinels: readonly RedisNode[], dirs: readonly string[]) {
    this.servers = servers
    this.sentinels = sentinels
    this.#dirs = dirs
  }

  /** Resolves once the sentinels know each other and all servers. */
  static async start(settings: SentinelSettings = {}): Promise<SentinelGroup> {
    const { downAfter = 1500, binary } = settings
    const options = { ...(binary && { binary }) }
    const common = () => ['--repl-diskless-sync-delay', '0', ...argsOf(settings)]
    const master = await RedisNode.start({ ...options, args: common() })
    const replicas = await Promise.all([1, 2].map(() => RedisNode.start({ ...options, args: common() })))
    // Not by arguments: a server that is restarted as a master would be a replica again.
    for (const replica of replicas) await replica.send('REPLICAOF', '127.0.0.1', master.port)
    const isLinked = async () => {
      const links = await Promise.all(replicas.map((node) => node.info('replication', 'master_link_status')))
      return links.every((link) => link === 'up')
    }
    await until('the replicas are linked', isLinked)
    const dirs: string[] = []
    const startSentinel = async () => {
      const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-sentinel-'))
      dirs.push(dir)
      const port = await freePort()
      const file = join(dir, 'sentinel.conf')
      const lines = [
        `sentinel monitor ${groupName} 127.0.0.1 ${master.port} 2`,
        `sentinel down-after-milliseconds ${groupName} ${downAfter}`,
        `sentinel failover-timeout ${groupName} 6000`,
        `sentinel parallel-syncs ${groupName} 2`,
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
      return RedisNode.start({ ...options, port, dir, sentinel: file })
    }
    const sentinels = await Promise.all([1, 2, 3].map(startSentinel))
    const group = new SentinelGroup([master, ...replicas], sentinels, dirs)
    await group.isWhole()
    return group
  }

  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The sentinels know each other, and two replicas that are up. */
  async isWhole(): Promise<void> {
    const isWhole = async (sentinel: RedisNode) => {
      const flat: string[] = await sentinel.send('SENTINEL', 'MASTER', groupName)
      const field = (name: string) => flat[flat.indexOf(name) + 1]
      const replicas: string[][] = await sentinel.send('SENTINEL', 'REPLICAS', groupName)
      const areUp = replicas.every((each) => each[each.indexOf('flags') + 1] === 'slave')
      return field('num-other-sentinels') === '2' && field('num-slaves') === '2' && field('flags') === 'master' && areUp
    }
    await until(
      'the sentinels know all',
      async () => (await Promise.all(this.sentinels.map(isWhole))).every(Boolean),
      60_000,
    )
  }

  /** The master by the word of a sentinel that answers. */
  async master(by = this.sentinels[0] as RedisNode): Promise<RedisNode> {
    const [, port] = await by.send('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', groupName)
    return this.servers.find((server) => server.port === Number(port)) as RedisNode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((node) => node.stop()))
    for (const dir of this.#dirs) rmSync(dir, { recursive: true, force: true })
  }
}
