import type { RawRedisJobs } from '../actors/raw-redis'
import { type Actor, startActor } from '../support/actor'
import { type Bar, compare, type Figure, type Row } from '../support/figure'
import { Side } from '../support/replication'
import { inTurns } from '../support/rounds'
import { withNats, withRedis } from '../support/servers'

const writes = 1000

interface Contest {
  readonly name: string
  readonly ours: object
  readonly raw: string
  readonly theirs: object
  readonly bar: Bar
}

/** Without a subscriber, and with one on each side. */
async function lone({ name, ours, raw, theirs, bar }: Contest): Promise<Row[]> {
  const rows: Row[] = []
  for (const processes of [0, 1]) {
    const us = await new Side('memis', { processes }).connect(ours)
    const them = await new Side(raw, { processes }).connect(theirs)
    const pairs = await inTurns(
      () => us.lone(writes),
      () => them.lone(writes),
    )
    await Promise.all([us.stop(), them.stop()])
    const what = `${name}, ${processes === 0 ? 'no subscriber' : 'one subscriber'}`
    rows.push(compare('P12', what, 'ms', 'cost', pairs, bar))
  }
  return rows
}

const scripts = ['evalsha', 'eval', 'fcall']
const transaction = ['multi', 'hset', 'publish', 'exec']

/** How long the server works on a set, with the commands in its script (µs). */
async function serverTime(url: string): Promise<Row> {
  const us = await new Side('memis', { processes: 0 }).connect({ transport: 'redis', url })
  const them = await new Side('raw-redis', { processes: 0 }).connect({ url })
  const janitor: Actor<RawRedisJobs> = startActor('raw-redis')
  await janitor.call('connect', { url })
  const each = async (side: Side, commands: string[]) => {
    await janitor.call('resetStats')
    await side.lone(writes)
    return (await janitor.call('serverTime', ...commands)) / writes
  }
  const pairs = await inTurns(
    () => each(us, scripts),
    () => each(them, transaction),
  )
  await Promise.all([us.stop(), them.stop(), janitor.stop()])
  const what = "Redis: the server's time for a lone set, against MULTI HSET PUBLISH EXEC"
  const row = compare('P12', what, 'µs', 'cost', pairs, { atMost: Infinity })
  // This bar is no ratio.
  return { ...row, bar: '≤ 20 µs', ok: row.ours <= 20 }
}

export const p12: Figure = {
  id: 'P12',
  title: 'a lone set, awaited',
  run: () =>
    withRedis(({ url }) =>
      withNats(async ({ url: servers }) => [
        ...(await lone({
          ...{ name: 'Redis: an awaited set, against MULTI HSET PUBLISH EXEC', raw: 'raw-redis', bar: { atMost: 1.5 } },
          ...{ ours: { transport: 'redis', url }, theirs: { url } },
        })),
        await serverTime(url),
        ...(await lone({
          ...{ name: 'NATS: an awaited set, against kv.put', raw: 'raw-nats', bar: { atMost: 1.3 } },
          ...{ ours: { transport: 'nats', servers }, theirs: { servers } },
        })),
      ]),
    ),
}
