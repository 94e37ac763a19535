/** Three servers of NATS that form a cluster. */
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port'
import { type NatsOptions, type Server, startNats, startTimeout } from './servers'

export interface NatsCluster {
  readonly servers: readonly Server[]
  /** The server that leads a stream; without a stream, the one that leads the cluster. Undefined while it is not known. */
  leader(stream?: string): Promise<Server | undefined>
  stop(): Promise<void>
}

/** Resolves once the servers have a leader, and each says that it is healthy. */
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
    // Somebody else may have taken a port of the routes.
    if (tries === 3)
      throw failed?.reason ?? new Error(`no leader was found:\n${servers.map(({ log }) => log).join('\n')}`)
  }
}

function clusterOf(servers: readonly Server[], monitors: readonly number[], stop: () => Promise<void>) {
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

  return { servers, leader, forms, stop }
}
