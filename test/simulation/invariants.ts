/** What must hold after every step, and once all is healed. */
import type { World } from './world'

/** After every step. */
export function checkStep(world: World): void {
  const { actors, time, settings } = world
  for (const actor of actors) {
    if (actor.state !== 'open') {
      if (actor.state === 'closing' && !actor.stalled && time.now > actor.closesBy) {
        world.fail('W7', `${actor.name} is not closed yet`)
      }
      if (actor.state === 'closed' && actor.clock.timers.size > 0) world.fail('W7', `${actor.name} set a timer`)
      continue
    }
    actor.backlog.check()
    for (const follower of actor.followers) follower.check()
  }
  const [oldest] = world.calls.open
  if (oldest !== undefined && !oldest.process.stalled) {
    const since = Math.max(oldest.since, oldest.process.resumedAt)
    if (time.now > since + settings.writeTimeout * 1.1 + 10) world.fail('W6', `${oldest.text} has not settled`)
  }
}

/** Once all is healed: within `bound` ms everybody holds what the store holds. Returns after how many ms. */
export async function converge(world: World, bound: number): Promise<number> {
  const { time, actors } = world
  const start = time.now
  for (;;) {
    const different = differences(world)
    if (different.length === 0 && openCalls(world).length === 0) break
    if (world.violation !== null) break
    if (time.now - start > bound) {
      world.fail('K1', different[0] ?? `${openCalls(world)[0]} has not settled`)
      break
    }
    await world.pass(25)
    checkStep(world)
  }
  for (const judge of world.judges.values()) judge.compare()
  for (const actor of actors) {
    if (actor.state === 'open' && actor.backlog.size > 0) world.fail('pending', `${actor.name} keeps writes waiting`)
  }
  return time.now - start
}

/** The texts of the calls that have not settled. */
const openCalls = (world: World): string[] => [
  ...[...world.calls.open].map(({ text }) => text),
  ...world.actors.flatMap(({ followers }) => followers.flatMap(({ changer }) => [...changer.open])),
]

function differences(world: World): string[] {
  const patience = world.settings.latency + 3
  return world.actors
    .filter(({ state }) => state === 'open')
    .flatMap(({ followers }) => followers.map((follower) => follower.difference(patience)))
    .filter((difference) => difference !== null)
}

/** Room for as many writes as ever, and the stream is alive: each client writes, and all hear of it. */
export async function checkAlive(world: World): Promise<void> {
  const { settings } = world
  world.isQuiet = true
  for (const actor of world.actors) {
    if (actor.state !== 'open') continue
    const [follower] = actor.followers
    const count = Math.min(settings.maxPending, 20)
    for (let i = 0; i < count; i++) {
      const key = settings.keys[i % settings.keys.length] as string
      follower?.caller.set(key, world.operations.item(key), null)
    }
    await world.pass(0)
  }
  await converge(world, settings.writeTimeout + 10_000)
  world.isQuiet = false
}

/** Once the horizon is passed and somebody writes, the store keeps nothing of what is gone. */
export async function checkHorizon(world: World): Promise<void> {
  const [follower] =
    world.actors.find(({ state, rights }) => state === 'open' && rights !== 'readOnly')?.followers ?? []
  if (follower === undefined) return
  await world.pass(world.settings.retention + 1)
  const { now } = world.time
  follower.caller.delete(world.settings.keys[0] as string)
  await converge(world, world.settings.writeTimeout + 10_000)
  // An item may have expired while that write was on its way: only what was due before it must be gone.
  const kept = world
    .judgeOf(follower.id)
    .stored.state.stored.filter(({ content, deadline }) => content.kind === 'tombstone' && deadline < now)
  if (kept.length > 0) world.fail('X4', `the store still keeps tombstones of ${kept.map(({ key }) => key)}`)
}

/** Everybody goes: nothing stays. */
export async function checkEnd(world: World): Promise<void> {
  for (const actor of world.actors) if (actor.state === 'open') actor.close()
  await world.pass(6000)
  checkStep(world)
  for (const actor of world.actors) {
    if (actor.state !== 'closed') world.fail('W7', `${actor.name} is not closed`)
  }
  for (const text of openCalls(world)) world.fail('W6', `${text} never settled`)
}
