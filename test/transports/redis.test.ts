import { suite } from 'uvu'
import { conformance } from '../../src/conformance'
import { createClient } from '../../src/index'
import { behindProxies } from '../support/behind-proxies'
import { startRedis } from '../support/servers'

const test = suite('redis')
const server = startRedis()

conformance({
  name: 'redis',
  test,
  setup: behindProxies(server, (port, options) =>
    createClient({ transport: 'redis', url: `redis://127.0.0.1:${port}`, ...options }),
  ),
})

test.after(async () => (await server).stop())
test.run()
