/** Three servers of NATS that form a cluster. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port'
import { startProxy, type TcpProxy } from './proxy'
import { type NatsOptions, type Server, startNats, startTimeout } from './servers'

export interface NatsCluster {
  readonly servers: readonly Server[]
  /** The server that leads a stream; without a stream, the one that leads the cluster. Undefined while it is not known. */
  leader(stream?: string): Promise<Server | undefined>
  /** Cuts a server off from the other servers. Clients still reach it. */
  isolate(server: Server): void
  /** Undoes `isolate`. */
  rejoin(server: Server): Promise<void>
  stop(): Promise<void>
}

/** `config`: lines for the configuration of each server. */
type ClusterOptions = Pick<NatsOptions, 'binary'> & { config?: string }

/** Resolves once the servers have a leader, and each says that it is healthy. */
export async function startNatsCluster({ config = '', ...options }: ClusterOptions = {}): Promise<NatsCluster> {
  const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-cluster-'))
  const file = join(dir, 'nats.conf')
  writeFileSync(file, config)
  for (let tries = 1; ; tries++) {
    const members = await Promise.all(
      [1, 2, 3].map(async () => ({ route: await freePort(), monitor: await freePort() })),
    )
    // Each server reaches each other one through a proxy of its own, and no other way.
    const proxies: Proxies = await Promise.all(
      members.map((_, from) =>
        Promise.all(members.map(({ route }, to) => (from === to ? undefined : startProxy(route)))),
      ),
    )
    const routesOf = (i: number) =>
      proxies[i]?.flatMap((proxy) => (proxy === undefined ? [] : [`nats://127.0.0.1:${proxy.port}`])).join() ?? ''
    const starts = await Promise.allSettled(
      members.map(({ route, monitor }, i) =>
        startNats({
          ...options,
          args: [
            ...['--cluster_name', 'memis', '--cluster', `nats://127.0.0.1:${route}`, '--routes', routesOf(i)],
            ...['--cluster_advertise', '127.0.0.1:1', '--http_port', String(monitor), '--config', file],
          ],
        }),
      ),
    )
    const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
    const stop = async () => {
      await Promise.all(servers.map((server) => server.stop()))
      await Promise.all(proxies.flat().map((proxy) => proxy?.close()))
      rmSync(dir, { recursive: true, force: true })
    }
    const failed = starts.find((start) => start.status === 'rejected')
    if (failed === undefined) {
      const monitors = members.map(({ monitor }) => monitor)
      const cluster = clusterOf(servers, monitors)
      if (await cluster.forms()) return { ...cluster, ...partitions(servers, proxies), stop }
    }
    await stop()
    // Somebody else may have taken a port of the routes.
    if (tries === 3)
      throw failed?.reason ?? new Error(`no leader was found:\n${servers.map(({ log }) => log).join('\n')}`)
  }
}

/** From server to server. */
type Proxies = readonly (readonly (TcpProxy | undefined)[])[]

function partitions(servers: readonly Server[], proxies: Proxies): Pick<NatsCluster, 'isolate' | 'rejoin'> {
  const linksOf = (server: Server): TcpProxy[] => {
    const i = servers.indexOf(server)
    return proxies.flatMap((row, from) =>
      row.filter((proxy, to) => proxy !== undefined && (from === i || to === i)),
    ) as TcpProxy[]
  }
  return {
    isolate(server) {
      for (const proxy of linksOf(server)) proxy.cut()
    },
    async rejoin(server) {
      await Promise.all(linksOf(server).map((proxy) => proxy.heal()))
    },
  }
}

function clusterOf(servers: readonly Server[], monitors: readonly number[]) {
  /** A page of a server's monitoring; undefined if it does not answer. */
  // biome-ignore lint/suspicious/noExplicitAny: each page has its own contents
  const look = (i: number, page: string): Promise<any> =>
    fetch(`http://127.0.0.1:${monitors[i]}/${page}`, { signal: AbortSignal.timeout(1000) }).then(
      (reply) => reply.json(),
      () => undefined,
    )
  const named = new Map<string, Server>()

  /** The majority decides: a server that is cut off or paused has outdated knowledge. */
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

  return { servers, leader, forms }
}
