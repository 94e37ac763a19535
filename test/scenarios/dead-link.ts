/** Links that fall silent, or are cut, while replicas on both sides write. */
import assert from 'node:assert'
import type { Client, Collection } from '../../src'
import { startProxy } from '../support/proxy'
import { Complaints, Load, Replay, untilEqualTo } from '../support/replicas'
import { awake, note, until } from '../support/testing'
import type { Site } from './site'

/** After the link is back, replicas must equal the store within so many ms. */
const soon = 5000
const livenessTimeout = 1500

const itemsOf = (client: Client): Collection<object> => client.database('test').collection('items')

/** Waits until the replica is stale; returns the ms. It may be stale already on a machine that stood still. */
const untilStale = (replica: Collection<object>): Promise<number> =>
  until('it is stale', () => replica.freshness.state === 'stale', 60_000)

const untilLive = (replica: Collection<object>): Promise<number> =>
  until('it is live', () => replica.freshness.state === 'live', 60_000)

/** One replica reaches the store through a proxy, the other one directly. Both write, and their events are checked. */
async function twoSides(
  { client, read, server }: Site,
  options: { livenessTimeout?: number },
  play: (side: {
    cut: Collection<object>
    near: Client
    complaints: Complaints
    loads: [Load, Load]
    replay: Replay
    proxy: Awaited<ReturnType<typeof startProxy>>
  }) => Promise<void>,
): Promise<void> {
  const proxy = await startProxy(server.port)
  try {
    await using near = client(options, proxy.port)
    await using far = client(options)
    const complaints = new Complaints(near)
    const [cut, whole] = [itemsOf(near), itemsOf(far)]
    const replays = [new Replay(cut), new Replay(whole)] as const
    await Promise.all([cut.subscribe(), whole.subscribe()])
    const loads: [Load, Load] = [new Load(cut, 'near'), new Load(whole, 'far')]
    await play({ cut, near, complaints, loads, replay: replays[0], proxy })
    await Promise.all(loads.map((load) => load.stop()))
    await untilEqualTo(read, [cut, whole])
    const store = await read('items')
    for (const load of loads) load.check(store)
    for (const replay of replays) replay.check()
    assert.ok(
      complaints.codes.every((code) => code === 'DISCONNECTED'),
      `${complaints.codes}`,
    )
  } finally {
    await proxy.close()
  }
}

/** Twice, the proxy stops forwarding or the server is stopped. */
export async function deadLink(site: Site, harm: 'freeze' | 'pause', what: string) {
  const noticed: number[] = []
  const repaired: number[] = []
  await twoSides(site, { livenessTimeout }, async ({ cut, complaints, loads, replay, proxy }) => {
    for (let round = 0; round < 2; round++) {
      await Promise.all(loads.map((load) => load.more(200)))
      await untilLive(cut)
      if (harm === 'freeze') proxy.freeze()
      else site.server.pause()
      noticed.push(await untilStale(cut))
      assert.strictEqual(cut.freshness.state, 'stale')
      // It serves its last contents meanwhile.
      assert.strictEqual(cut.size, replay.items.size)
      await until('the client knows', () => complaints.disconnects.length > round)
      if (harm === 'freeze') await loads[1].more(50)
      const from = awake()
      if (harm === 'freeze') await proxy.heal()
      else site.server.resume()
      await untilLive(cut)
      await Promise.all(loads.map((load) => load.more(50)))
      repaired.push(awake() - from)
    }
  })
  note(
    `${what}: noticed after ${noticed.map(Math.round).join(', ')} ms (livenessTimeout ${livenessTimeout}), ` +
      `live and writing again ${repaired.map(Math.round).join(', ')} ms after its return`,
  )
  // Half a second for the timers of a busy machine.
  assert.ok(Math.max(...noticed) <= livenessTimeout + 500, `noticed after ${noticed}`)
  assert.ok(Math.max(...repaired) <= soon, `repaired after ${repaired}`)
}

/** Three times, the link is cut and refused for a while. */
export async function cutLink(site: Site, what = 'cut and refused') {
  const repaired: number[] = []
  await twoSides(site, {}, async ({ cut, near, complaints, loads, proxy }) => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(loads.map((load) => load.more(200)))
      const stale = untilStale(cut)
      proxy.cut()
      await stale
      const tries = near.errorCounts.DISCONNECTED ?? 0
      await until('it has tried in vain', () => (near.errorCounts.DISCONNECTED ?? 0) >= tries + 2)
      const from = awake()
      await proxy.heal()
      await untilLive(cut)
      await Promise.all(loads.map((load) => load.more(50)))
      repaired.push(awake() - from)
    }
    assert.strictEqual(complaints.disconnects.length, 3)
    assert.deepStrictEqual(new Set(complaints.codes), new Set(['DISCONNECTED']))
  })
  note(`${what}: live and writing again ${repaired.map(Math.round).join(', ')} ms after the link's return`)
  assert.ok(Math.max(...repaired) <= soon, `repaired after ${repaired}`)
}
