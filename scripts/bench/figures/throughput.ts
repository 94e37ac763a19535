import type { RawRedisJobs } from '../actors/raw-redis'
import { startActor } from '../support/actor'
import { compare, type Figure } from '../support/figure'
import { Side } from '../support/replication'
import { inTurns } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const count = 100_000

export const p1: Figure = {
  id: 'P1',
  title: 'Redis: sets a second, until another process has applied them',
  run: () =>
    withRedis(async ({ url }) => {
      const ours = await new Side('memis').connect({ transport: 'redis', url })
      const theirs = await new Side('raw-redis').connect({ url })
      const janitor = startActor<RawRedisJobs>('raw-redis')
      await janitor.call('connect', { url })
      const rate = async (side: Side, round: number) => {
        const rate = await side.rate(round, count)
        await janitor.call('flush')
        return rate
      }
      const pairs = await inTurns(
        (round) => rate(ours, round),
        (round) => rate(theirs, round),
      )
      await Promise.all([ours.stop(), theirs.stop(), janitor.stop()])
      return [compare('P1', 'Redis: sets a second, applied in another process', '/s', 'rate', pairs, { atLeast: 4 })]
    }),
}

export const p2: Figure = {
  id: 'P2',
  title: 'NATS: sets a second, until another process has applied them',
  run: () =>
    withNats(async ({ url }) => {
      const ours = await new Side('memis').connect({ transport: 'nats', servers: url })
      const theirs = await new Side('raw-nats').connect({ servers: url })
      const pairs = await inTurns(
        (round) => ours.rate(round, count),
        (round) => theirs.rate(round, count),
      )
      await Promise.all([ours.stop(), theirs.stop()])
      return [compare('P2', 'NATS: sets a second, applied in another process', '/s', 'rate', pairs, { atLeast: 4 })]
    }),
}

const replicas = { processes: 4, clients: 8 }
const fewer = 3_000

export const p9: Figure = {
  id: 'P9',
  title: 'one writer, 32 replicas',
  run: () =>
    withRedis(async ({ url }) => {
      const ours = await new Side('memis', replicas).connect({ transport: 'redis', url })
      const theirs = await new Side('raw-redis', replicas).connect({ url, publishOnly: true })
      const pairs = await inTurns(
        (round) => ours.rate(round, fewer),
        (round) => theirs.rate(round, fewer),
      )
      await Promise.all([ours.stop(), theirs.stop()])
      return [
        compare('P9', 'Redis: changes a second, applied in 32 replicas together', '/s', 'rate', pairs, { atLeast: 2 }),
      ]
    }),
}
