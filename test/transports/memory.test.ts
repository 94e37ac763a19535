import { suite } from 'uvu'
import { conformance } from '../../src/conformance'
import { createClient, MemoryHub } from '../../src/index'

const test = suite('memory')

conformance({
  name: 'memory',
  test,
  setup() {
    const hub = new MemoryHub()
    let down = false
    return {
      client(options) {
        const client = createClient({ transport: 'memory', hub, ...options })
        if (down) hub.cut(client)
        return client
      },
      outage: {
        begin(client) {
          down ||= client === undefined
          hub.cut(client)
        },
        end(client) {
          down &&= client !== undefined
          hub.heal(client)
        },
      },
      teardown() {},
    }
  },
})

test.run()
