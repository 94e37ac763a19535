import { suite } from 'uvu'
import { conformance } from '../../src/conformance'
import { createClient } from '../../src/index'
import { behindProxies } from '../support/behind-proxies'
import { startNats } from '../support/servers'

const test = suite('nats 2.15')
const server = startNats({ binary: 'nats-server-2.15' })

conformance({
  name: 'nats 2.15',
  test,
  setup: behindProxies(server, (port, options) =>
    createClient({ transport: 'nats', servers: `127.0.0.1:${port}`, ...options }),
  ),
})

test.after(async () => (await server).stop())
test.run()
