import { compare, type Figure, type Row } from '../support/figure'
import { Side } from '../support/replication'
import { inTurns, type Pairs } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const writes = 300
/** Pause between two writes (ms): the link is idle then. */
const pause = 2

async function delays(store: string, ours: Side, theirs: Side): Promise<Row[]> {
  const p99: Pairs = { ours: [], theirs: [] }
  const side = async (side: Side, round: number, tail: number[]) => {
    const delay = await side.delays(round, writes, pause)
    if (round > 0) tail.push(delay.p99)
    return delay.p50
  }
  const p50 = await inTurns(
    (round) => side(ours, round, p99.ours),
    (round) => side(theirs, round, p99.theirs),
  )
  await Promise.all([ours.stop(), theirs.stop()])
  return [
    compare('P3', `${store}: from a lone set to its event in another process, median`, 'ms', 'cost', p50, {
      atMost: 1.3,
    }),
    compare('P3', `${store}: from a lone set to its event in another process, 99th percentile`, 'ms', 'cost', p99, {
      atMost: 1.5,
    }),
  ]
}

export const p3: Figure = {
  id: 'P3',
  title: 'a lone set until its event in another process',
  async run() {
    const redis = await withRedis(async ({ url }) =>
      delays(
        'Redis',
        await new Side('memis').connect({ transport: 'redis', url }),
        await new Side('raw-redis').connect({ url }),
      ),
    )
    const nats = await withNats(async ({ url }) =>
      delays(
        'NATS',
        await new Side('memis').connect({ transport: 'nats', servers: url }),
        await new Side('raw-nats').connect({ servers: url }),
      ),
    )
    return [...redis, ...nats]
  },
}
