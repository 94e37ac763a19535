import { startProxy } from '../../../test/support/proxy'
import type { ReturningJobs } from '../actors/returning'
import { startActor } from '../support/actor'
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
      const proxy = await startProxy(port)
      const throughProxy = `redis://127.0.0.1:${proxy.port}`
      const writer = startActor<ReplicationJobs>('memis')
      await writer.call('connect', { transport: 'redis', url })
      await writer.call('write', 'artists', count)
      const [stays, comes] = [startActor<ReturningJobs>('returning'), startActor<ReturningJobs>('returning')]
      await stays.call('load', throughProxy, 'artists')

      const bytes: Pairs = { ours: [], theirs: [] }
      let changes = 0
      for (let i = 0; i < changed; i++) changes += keyOf(i).length + JSON.stringify(itemOf(i)).length
      const times = await inTurns(
        async (round) => {
          await stays.call('expect')
          proxy.cut()
          await writer.call('write', 'artists', changed, round + 1)
          const before = proxy.received
          await proxy.heal()
          const took = await stays.call('caughtUp')
          if (round > 0) {
            bytes.ours.push(proxy.received - before)
            bytes.theirs.push(changes)
          }
          return took
        },
        async () => {
          const took = await comes.call('load', throughProxy, 'artists')
          await comes.call('leave')
          return took
        },
      )
      await Promise.all([writer.stop(), stays.stop(), comes.stop()])
      await proxy.close()
      return [
        compare(
          'P6',
          'Redis: catching up with 100 changes in 100,000 items, against a full load',
          'ms',
          'cost',
          times,
          {
            atLeast: 50,
          },
        ),
        compare(
          'P6',
          'Redis: bytes received by then, with all handshakes, against those of the changes',
          'B',
          'cost',
          bytes,
          {
            atMost: 3,
          },
        ),
      ]
    }),
}
