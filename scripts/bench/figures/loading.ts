import type { RawRedisJobs } from '../actors/raw-redis'
import { startActor } from '../support/actor'
import { compare, type Figure, type Row } from '../support/figure'
import type { ReplicationJobs } from '../support/replication'
import { inTurns } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const count = 100_000

/** Each side loads what it has written itself. */
async function loads(store: string, options: object, raw: string, rawOptions: object, atLeast: number): Promise<Row[]> {
  const ours = startActor<ReplicationJobs>('memis')
  const theirs = startActor<ReplicationJobs & Partial<RawRedisJobs>>(raw)
  await ours.call('connect', options)
  await theirs.call('connect', rawOptions)
  await ours.call('write', 'ours', count)
  await theirs.call(raw === 'raw-redis' ? 'fill' : 'write', 'theirs', count)
  const time = async (load: Promise<{ took: number; size: number }>) => {
    const { took, size } = await load
    if (size !== count) throw new Error(`${size} items were loaded, not ${count}`)
    return took
  }
  const pairs = await inTurns(
    () => time(ours.call('load', 'ours', options)),
    () => time(theirs.call('load', 'theirs', rawOptions)),
  )
  await Promise.all([ours.stop(), theirs.stop()])
  return [compare('P5', `${store}: subscribing to 100,000 items`, 'ms', 'cost', pairs, { atLeast })]
}

export const p5: Figure = {
  id: 'P5',
  title: 'subscribe to 100,000 items until ready',
  async run() {
    const redis = await withRedis(({ url }) => loads('Redis', { transport: 'redis', url }, 'raw-redis', { url }, 4))
    const nats = await withNats(({ url }) =>
      loads('NATS', { transport: 'nats', servers: url }, 'raw-nats', { servers: url }, 1.5),
    )
    return [...redis, ...nats]
  },
}
