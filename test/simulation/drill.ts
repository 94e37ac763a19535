/**
 * The store loses its memory while all else is well: what `dataLoss` promises (K7). Amid other faults no more can be said than
 * that nothing is invented and all agree in the end; here, everything that a replica held must be there again.
 */
import type { Faults } from './faults'
import { checkStep, converge } from './invariants'
import type { Ledger, Taken } from './ledger'
import type { Workload } from './workload'
import type { World } from './world'

/** All are equal again within 5 s of the store's return; the rest is for messages and timers. */
const bound = 6000
/** What was under way when all was healed has arrived after so many ms. */
const slowest = 600

export async function drill(world: World, workload: Workload, faults: Faults): Promise<void> {
  const { random, settings, judges, ledgers, time } = world
  const backup = random.chance(0.6) ? faults.backUp() : null
  await work(world, workload, random.int(12))
  await converge(world, 20_000)
  // Whoever begins anew has no tombstones of before, and knows all the same what is gone.
  if (random.chance(0.3)) await resubscribeAll(world)
  // Also of what changed a ttl alone.
  await world.pass(settings.latency * 2 + 1)
  // What is in the store, and what was deleted since the copy was made.
  const before = new Map<Ledger, Map<string, Taken | null>>()
  for (const judge of judges.values()) {
    const { ledger } = judge
    const known = new Map<string, Taken | null>()
    for (const key of backup?.books.get(judge)?.page.model.keys() ?? []) known.set(key, null)
    // A write that was late has just been taken, maybe, and nobody has heard of it.
    const heardBy = time.now - settings.latency * 2 - 1
    for (const [key, taken] of ledger.model) {
      if (taken.at > heardBy || taken.how === 'eviction') known.delete(key)
      else if (taken.v !== null && taken.deadline > time.now) known.set(key, taken)
    }
    before.set(ledger, known)
  }
  let lostAt = new Map<Ledger, number>()
  const restorers = world.actors.filter(
    ({ state, policy, rights }) => state === 'open' && policy === 'restore' && rights === 'all',
  )
  // Who was away for longer than that does not restore.
  const restores = restorers.length > 0 && settings.retention > bound
  for (const { followers } of restores ? restorers : []) {
    for (const follower of followers) {
      follower.heard = (event, key) => {
        if (event !== 'delete' || goneSince(follower.ledger, key, lostAt.get(follower.ledger) ?? 0, time.now)) return
        // What the store did not have when it lost the rest had been deleted by a write that came late. What ran out before it
        // could be put back is put back as gone.
        if ((before.get(follower.ledger)?.get(key)?.deadline ?? 0) <= time.now + 1) return
        world.fail('K7', `${follower.name}: a false delete of ${key}`)
      }
    }
  }
  // What was given up and is still on its way may land after the first loss, which took its fence along, and before the second.
  lostAt = new Map(ledgers.map((ledger) => [ledger, ledger.order]))
  world.trace(() => `drill: the store loses ${backup === null ? 'everything' : 'what is new'}`)
  faults.revert(backup)
  if (random.chance(0.3)) {
    // And once more, before all is put back.
    await world.pass(random.next() * 400)
    faults.revert(null)
  }
  if (random.chance(0.15)) random.pick(random.pick(writersOf(world)).followers).caller.clear()
  if (random.chance(0.5)) await work(world, workload, random.int(6))
  await converge(world, bound + settings.latency * 4)
  for (const { followers } of world.actors) for (const follower of followers) follower.heard = null
  if (!restores) return
  for (const [ledger, known] of before) {
    for (const [key, taken] of known) {
      if (!ledger.writtenSince(key, lostAt.get(ledger) as number)) checkKey(world, ledger, key, taken)
    }
  }
}

/** The store goes back to what it was just before a write, whose answer and news are under way: all agree all the same. */
export async function abruptDrill(world: World, workload: Workload, faults: Faults): Promise<void> {
  const { random, ledgers } = world
  const taken = () => ledgers.reduce((sum, { order }) => sum + order, 0)
  const backup = faults.backUp()
  const before = taken()
  if (random.chance(0.2)) random.pick(random.pick(writersOf(world)).followers).caller.clear()
  else workload.act()
  await world.pass(0)
  // Some answers arrive when the replicas have seen the loss already.
  const slowness = random.pick([0, 400])
  for (const { wire } of world.actors) wire.slowness = slowness
  for (let i = 0; i < 50 && taken() === before; i++) await world.pass(1)
  await world.pass(random.next() * world.settings.latency)
  world.trace(() => 'drill: the store loses what it has just taken')
  faults.revert(backup)
  await work(world, workload, random.int(3))
  if (slowness > 0) await world.pass(2 * slowness)
  for (const { wire } of world.actors) wire.slowness = 0
  await converge(world, 20_000)
}

/** A link breaks while a write is under way, and returns soon: the write is sent again (W6). */
export async function cutDrill(world: World): Promise<void> {
  const { random, settings } = world
  const actor = random.pick(writersOf(world))
  const key = random.pick(settings.keys)
  const follower = random.pick(actor.followers)
  // The slow messages of the drill before hold up none of this one.
  for (const { wire } of world.actors) wire.heal()
  follower.caller.set(key, world.operations.item(key), 5000)
  await world.pass(random.next() * settings.latency)
  actor.cut()
  await world.pass(random.next() * 20)
  const isRefused = settings.faults.has('refuse') && random.chance(0.5)
  world.hub.refuseWrites(isRefused)
  actor.heal()
  if (isRefused) await world.pass(settings.latency * 2 + 100)
  world.hub.refuseWrites(false)
  await converge(world, 20_000)
  // The time from the first attempt to the retry counts. An answer's own travel time is nobody's to know.
  const held = 1000 * (follower.collection.entry(key)?.expiresIn ?? 0)
  const left = (follower.ledger.item(key)?.deadline ?? Infinity) - world.time.now
  if (held > left + settings.latency + 1) follower.fail('X1', `${key} has ${held} ms, in the store ${left}`)
}

/** A notification is lost, and none follows: the audit finds that. */
export async function dropDrill(world: World): Promise<void> {
  const { random, settings, hub } = world
  const follower = random.pick(random.pick(writersOf(world)).followers)
  const key = random.pick(settings.keys)
  hub.drop(1)
  follower.caller.set(key, world.operations.item(key), null)
  await converge(world, 20_000)
  hub.drop(0)
}

/**
 * The answer to a set is so late that another client has deleted the item meanwhile, and the replica has begun anew: the answer brings
 * nothing back.
 */
export async function answerDrill(world: World): Promise<void> {
  const { random, settings } = world
  const [writer, other] = writersOf(world)
  if (writer === undefined || other === undefined) return
  const follower = random.pick(writer.followers)
  const key = random.pick(settings.keys)
  await world.pass(settings.latency * 2 + 1)
  follower.caller.set(key, world.operations.item(key), null)
  await world.pass(0)
  writer.wire.slowness = 400
  await world.pass(settings.latency + 1)
  other.followers.find(({ collection }) => collection.name === follower.collection.name)?.caller.delete(key)
  await world.pass(settings.latency * 2 + 1)
  if (follower.expected !== 'idle') follower.unsubscribe()
  follower.subscribe()
  await world.pass(settings.latency * 2 + 500)
  writer.wire.slowness = 0
  await converge(world, 20_000)
}

/** A process is so late that a newer item arrives before it has told that the older one expired; its listener then leaves. */
export async function lateDrill(world: World): Promise<void> {
  const { random, settings } = world
  const [writer] = writersOf(world)
  const late = world.actors.find((actor) => actor.awake && actor !== writer)
  if (late === undefined || writer === undefined) return
  const follower = random.pick(late.followers)
  const key = random.pick(settings.keys)
  const ttl = 4 * settings.latency + 10
  const other = writer.followers.find(({ collection }) => collection.name === follower.collection.name)
  other?.caller.set(key, world.operations.item(key), ttl)
  await world.pass(settings.latency * 2 + 1)
  checkStep(world)
  late.stalled = true
  other?.caller.set(key, world.operations.item(key), null)
  await world.pass(ttl)
  follower.mischief = () => {
    follower.mischief = null
    follower.unsubscribe()
  }
  late.resume()
  await world.pass(1)
  follower.mischief = null
  checkStep(world)
  if (follower.expected === 'idle') follower.subscribe()
  await converge(world, 20_000)
}

async function resubscribeAll(world: World): Promise<void> {
  for (const { state, followers } of world.actors) {
    for (const follower of state === 'open' ? followers : []) {
      if (follower.expected !== 'idle') follower.unsubscribe()
      follower.subscribe()
    }
  }
  await converge(world, 20_000)
}

const writersOf = ({ actors }: World) => actors.filter(({ awake, rights }) => awake && rights !== 'readOnly')

async function work(world: World, workload: Workload, count: number): Promise<void> {
  for (let i = 0; i < count && world.violation === null; i++) {
    workload.act()
    await world.pass(world.random.next() * 5)
    checkStep(world)
  }
}

/** A key that nobody wrote since is as it was, but for what has expired; `taken` null: it was gone. */
function checkKey(world: World, ledger: Ledger, key: string, taken: Taken | null): void {
  const { now } = world.time
  const item = ledger.item(key)
  // Amid the faults somebody may have heard of it late, and counts its ttl from then.
  const late = Math.max(0, world.calmSince + slowest - (taken?.at ?? Infinity))
  if (taken === null) {
    if (item !== undefined) world.fail('K7', `${key}=${item.v} is back, though all saw that it was gone`)
  } else if (item === undefined) {
    if (taken.deadline > now) world.fail('K7', `${key}=${taken.v} was not put back`)
  } else if (item.v !== taken.v) {
    world.fail('K7', `${key} is ${item.v}, it was ${taken.v}`)
  } else if (
    item.deadline < Math.min(taken.deadline, ledger.find(item.revision, key)?.deadline ?? Infinity) - 1 ||
    item.deadline > taken.deadline + late + world.settings.latency * 8 + 10
  ) {
    world.fail('K7', `${key}=${item.v} expires at ${item.deadline}, it was to at ${taken.deadline}`)
  }
}

/**
 * Whether somebody deleted a key after that point, or set it for a time that is over. Where the store loses its memory twice, what
 * came in between may be known to one replica alone, which puts it back: it is the newest that is known.
 */
const goneSince = (ledger: Ledger, key: string, order: number, now: number): boolean =>
  ledger.clearedAt > order ||
  ledger.since(key, order).some(({ v, how, deadline }) => how === 'write' && (v === null || deadline <= now + 1))
