import type { OtherJobs } from '../actors/others'
import { type Actor, startActor } from '../support/actor'
import { compare, type Figure, type Row } from '../support/figure'
import { inTurns, median } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const items = 200
const changes = 30
/** A read that goes to the server is measured less often. */
const localReads = 20_000
const remoteReads = 1000

interface Pair {
  readonly here: Actor<OtherJobs>
  readonly there: Actor<OtherJobs>
}

async function open(name: string, url: string): Promise<Pair> {
  const pair = { here: startActor<OtherJobs>('others'), there: startActor<OtherJobs>('others') }
  for (const actor of [pair.here, pair.there]) await actor.call('open', name, url)
  await pair.here.call('fill', items)
  return pair
}

let version = 0

/** How long it takes until the other process reads a write (ms). */
async function delay({ here, there }: Pair): Promise<number> {
  const delays: number[] = []
  for (let i = 0; i < changes; i++) {
    const seen = there.call('seen', ++version)
    const start = await here.call('begin', version)
    delays.push((await seen) - start)
  }
  return median(delays)
}

async function versus(other: string, ours: string, otherUrl: string, ourUrl: string): Promise<Row[]> {
  const [us, them] = [await open(ours, ourUrl), await open(other, otherUrl)]
  const reads = other === '@nats-io/kv' ? remoteReads : localReads
  const bar = { atLeast: 1 }
  const rows = [
    compare(
      ...(['P11', `a read: ${ours}, ${other}`, 'ns', 'cost'] as const),
      await inTurns(
        () => us.here.call('read', localReads, items),
        () => them.here.call('read', reads, items),
      ),
      bar,
    ),
    compare(
      ...(['P11', `until another process has a write: ${ours}, ${other}`, 'ms', 'cost'] as const),
      await inTurns(
        () => delay(us),
        () => delay(them),
      ),
      bar,
    ),
  ]
  for (const { here, there } of [us, them]) for (const actor of [here, there]) await actor.stop()
  return rows
}

export const p11: Figure = {
  id: 'P11',
  title: 'others who do the job',
  run: () =>
    withRedis(({ url: redis }) =>
      withNats(async ({ url: nats }) => [
        ...(await versus('bentocache', 'memis on Redis', redis, redis)),
        ...(await versus("node-redis's client-side cache", 'memis on Redis', redis, redis)),
        ...(await versus('@nats-io/kv', 'memis on NATS', nats, nats)),
      ]),
    ),
}
