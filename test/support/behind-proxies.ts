/** What the conformance suite asks of a transport that reaches its store over TCP: each client behind a proxy of its own. */
import type { Client, MemisOptions } from '../../src'
import type { ConformanceOptions } from '../../src/conformance'
import { startProxy, type TcpProxy } from './proxy'
import type { Server } from './servers'

/** Makes a client that reaches the store on that port of the loopback. */
export type Connect = (port: number, options: MemisOptions & { prefix: string }) => Client

/** All cases share the server; a prefix each keeps them apart. */
export function behindProxies(server: Promise<Server>, connect: Connect): ConformanceOptions['setup'] {
  let cases = 0
  return async () => {
    const { port } = await server
    const prefix = `case-${++cases}`
    const proxies = new Map<Client | undefined, TcpProxy>()
    let down = false
    const proxiesOf = (client?: Client) =>
      [...proxies].filter(([of]) => !client || of === client).map(([, proxy]) => proxy)
    return {
      async client(options) {
        const proxy = await startProxy(port)
        if (down) proxy.cut()
        const client = connect(proxy.port, { prefix, ...options })
        proxies.set(client, proxy)
        return client
      },
      outage: {
        begin(client) {
          down ||= client === undefined
          for (const proxy of proxiesOf(client)) proxy.cut()
        },
        async end(client) {
          down &&= client !== undefined
          await Promise.all(proxiesOf(client).map((proxy) => proxy.heal()))
        },
      },
      async teardown() {
        await Promise.all(proxiesOf().map((proxy) => proxy.close()))
      },
    }
  }
}
