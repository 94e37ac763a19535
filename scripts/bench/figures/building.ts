import type { BuildingJobs } from '../actors/building'
import { startActor } from '../support/actor'
import { compare, type Figure, type Row } from '../support/figure'
import { inTurns } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const calls = 1000
const changes = 100_000

async function update(store: string, options: object): Promise<Row[]> {
  const actor = startActor<BuildingJobs>('building')
  await actor.call('connect', options)
  const inside = await inTurns(
    () => actor.call('update', calls),
    () => actor.call('set', calls),
  )
  const outside = await inTurns(
    () => actor.call('updateOutside', calls),
    () => actor.call('set', calls),
  )
  await actor.stop()
  return [
    compare('P13', `${store}: an awaited update, against a set`, 'ms', 'cost', inside, { atMost: 1.2 }),
    // It has to ask the store first.
    compare('P13', `${store}: an awaited update without a subscription, against a set`, 'ms', 'cost', outside),
  ]
}

async function watch(): Promise<Row> {
  const [many, one] = [startActor<BuildingJobs>('building'), startActor<BuildingJobs>('building')]
  await many.call('watch', 10_000)
  await one.call('watch', 1)
  const pairs = await inTurns(
    () => many.call('change', changes),
    () => one.call('change', changes),
    15,
  )
  await Promise.all([many.stop(), one.stop()])
  return compare('P13', 'a change with 10,000 watched keys, against one', 'ns', 'cost', pairs, { atMost: 1.05 })
}

export const p13: Figure = {
  id: 'P13',
  title: 'update, and watched keys',
  run: () =>
    withRedis(({ url }) =>
      withNats(async ({ url: servers }) => [
        ...(await update('Redis', { transport: 'redis', url })),
        ...(await update('NATS', { transport: 'nats', servers })),
        await watch(),
      ]),
    ),
}
