import type { ReturningJobs } from '../actors/returning'
import { startActor } from '../support/actor'
import { CountingProxy } from '../support/counting-proxy'
import { compare, type Figure } from '../support/figure'
import { itemOf, keyOf } from '../support/items'
import type { ReplicationJobs } from '../support/replication'
import { inTurns, type Pairs } from '../support/rounds'
import { withRedis } from '../support/servers'

const count = 100_000
const changed = 100

export const p6: Figure = {
  id: 'P6',
  title: 'return after an outage',
  run: () =>
    withRedis(async ({ url, port }) => {
      const proxy = await CountingProxy.to(port)
      const writer = startActor<ReplicationJobs>('memis')
      await writer.call('connect', { transport: 'redis', url })
      await writer.call('write', 'artists', count)
      const [stays, comes] = [startActor<ReturningJobs>('returning'), startActor<ReturningJobs>('returning')]
      await stays.call('load', proxy.url, 'artists')

      const bytes: Pairs = { ours: [], theirs: [] }
      let changes = 0
      for (let i = 0; i < changed; i++) changes += keyOf(i).length + JSON.stringify(itemOf(i)).length
      const times = await inTurns(
        async (round) => {
          await stays.call('expect')
          proxy.cut()
          await writer.call('write', 'artists', changed, round + 1)
          proxy.received = 0
          await proxy.heal()
          const took = await stays.call('caughtUp')
          if (round > 0) {
            bytes.ours.push(proxy.received)
            bytes.theirs.push(changes)
          }
          return took
        },
        async () => {
          const took = await comes.call('load', proxy.url, 'artists')
          await comes.call('leave')
          return took
        },
      )
      await Promise.all([writer.stop(), stays.stop(), comes.stop()])
      proxy.cut()
      return [
        compare('P6', 'return to 100 changes in 100,000 items, to our own full load', 'ms', 'cost', times, {
          atLeast: 50,
        }),
        compare('P6', 'bytes received by then, handshake and all, to those of the changes', 'B', 'cost', bytes, {
          atMost: 3,
        }),
      ]
    }),
}
