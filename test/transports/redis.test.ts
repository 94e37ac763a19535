import { suite } from 'uvu'
import { conformance } from '../../src/conformance'
import { type Client, createClient } from '../../src/index'
import { startProxy, type TcpProxy } from '../support/proxy'
import { startRedis } from '../support/servers'

const test = suite('redis')
const server = startRedis()
let cases = 0

conformance({
  name: 'redis',
  test,
  async setup() {
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
        const client = createClient({ transport: 'redis', url: `redis://127.0.0.1:${proxy.port}`, prefix, ...options })
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
  },
})

test.after(async () => (await server).stop())
test.run()
