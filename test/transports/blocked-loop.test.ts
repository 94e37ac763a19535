import { natsSite } from '../nats/support'
import { redisSite, suite } from '../redis/support'
import { blockedLoop } from '../scenarios/blocked-loop'

const test = suite('blocked event loop')

for (const [kind, open] of [['redis', redisSite] as const, ['nats', natsSite] as const]) {
  test(`E7 ${kind}: a process that was blocked declares nobody offline whose heartbeat waits in its socket`, async () => {
    await using site = await open()
    await blockedLoop(site, kind)
  })
}

test.run()
