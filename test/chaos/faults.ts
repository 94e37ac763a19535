/** The faults. Each has a beginning and an end, after which the world works again. */
import type { Direction, TcpProxy } from '../support/proxy'
import type { Forked } from './handle'
import type { World } from './world'

export interface Fault {
  readonly name: string
  begin(): Promise<void> | void
  end(): Promise<void> | void
}

interface Kind {
  readonly name: string
  readonly weight: number
  /** The server is away meanwhile: nothing else can be done to it. */
  readonly takesServer?: boolean
  make(world: World): Omit<Fault, 'name'> | undefined
}

const nothing = () => {}

function kinds(world: World): Kind[] {
  const { store, mode } = world
  return [
    {
      name: 'partition',
      weight: 12,
      make: () => onProxies(world, (proxy) => proxy.cut()),
    },
    {
      name: 'half-open link',
      weight: 12,
      make: () => onProxies(world, (proxy) => proxy.freeze()),
    },
    {
      name: 'one-way partition',
      weight: 8,
      make: () => {
        const direction: Direction = world.random.chance(0.5) ? 'there' : 'back'
        return onProxies(world, (proxy) => proxy.freeze(direction))
      },
    },
    {
      name: 'all links cut',
      weight: 4,
      make: () => {
        const proxies = world.free.map(({ proxy }) => proxy)
        return { begin: () => proxies.map((proxy) => proxy.cut()) as never, end: () => heal(proxies) }
      },
    },
    {
      name: 'server stopped (SIGSTOP)',
      weight: 8,
      takesServer: true,
      make: () => ({ begin: () => store.server.pause(), end: () => store.server.resume() }),
    },
    {
      name: store.persistent ? 'server killed, contents kept' : 'server killed, contents lost',
      weight: 10,
      takesServer: true,
      make: () => ({
        async begin() {
          if (!store.persistent) world.losses++
          await store.server.kill()
        },
        end: () => store.restart(),
      }),
    },
    ...(mode === 'lost' ? [olderCopy(world)] : []),
    {
      name: 'client stopped (SIGSTOP)',
      weight: 8,
      make: () => {
        const member = world.take(({ handle }) => handle.isForked)
        if (member === undefined) return undefined
        const forked = member.handle as Forked
        return { begin: () => forked.pause(), end: () => forked.resume() }
      },
    },
    {
      name: 'client killed (SIGKILL), another one starts',
      weight: 4,
      make: () => {
        const member = world.take(({ handle }) => handle.isForked)
        if (member === undefined) return undefined
        return { begin: () => world.kill(member), end: () => world.enter(true) }
      },
    },
    {
      name: 'client closed, another one starts',
      weight: 4,
      make: () => {
        const member = world.take(() => true)
        if (member === undefined) return undefined
        return { begin: () => world.close(member), end: () => world.enter(member.handle.isForked) }
      },
    },
    {
      name: 'unsubscribed and subscribed again',
      weight: 4,
      make: () => {
        const member = world.take(() => true)
        if (member === undefined) return undefined
        member.forgetful = true
        return { begin: () => member.handle.resubscribe(), end: nothing }
      },
    },
    ...store.instantFaults
      .filter(({ loses }) => !loses || mode !== 'kept')
      .map(({ name, loses, run }) => ({
        name,
        weight: loses ? 8 : 6,
        make: () => ({
          async begin() {
            if (loses) world.losses++
            await run()
          },
          end: nothing,
        }),
      })),
  ]
}

/** What was written since the copy is lost. */
function olderCopy(world: World): Kind {
  let restore = async () => {}
  return {
    name: 'server replaced by an older copy',
    weight: 10,
    takesServer: true,
    make: () => ({
      async begin() {
        restore = await world.store.backUp()
      },
      async end() {
        world.rollbacks++
        await restore()
      },
    }),
  }
}

/** Chooses faults that can exist together, in the order in which they begin. */
export function choose(world: World, count: number): Fault[] {
  const { random } = world
  const all = kinds(world)
  const faults: { kind: Kind; fault: Fault }[] = []
  world.free = [...world.members]
  while (faults.length < count) {
    const kind = random.weighted(all.map((each) => [each.weight, each] as const))
    if (faults.some((each) => each.kind === kind || (each.kind.takesServer && kind.takesServer))) continue
    const fault = kind.make(world)
    if (fault === undefined) break
    faults.push({ kind, fault: { name: kind.name, ...fault } })
  }
  // A fault that takes the server away begins last: the others may need the server.
  faults.sort((a, b) => Number(a.kind.takesServer ?? false) - Number(b.kind.takesServer ?? false))
  return faults.map(({ fault }) => fault)
}

/** Harms the links of one member, or of two. */
function onProxies(world: World, harm: (proxy: TcpProxy) => void): Omit<Fault, 'name'> | undefined {
  const proxies: TcpProxy[] = []
  for (let i = 1 + world.random.int(2); i > 0; i--) {
    const member = world.take(() => true)
    if (member !== undefined) proxies.push(member.proxy)
  }
  if (proxies.length === 0) return undefined
  const cutFirst = world.random.chance(0.5)
  return {
    begin: () => proxies.forEach(harm),
    end() {
      // Data that was held back is lost, or forwarded.
      if (cutFirst) for (const proxy of proxies) proxy.cut()
      return heal(proxies)
    },
  }
}

const heal = async (proxies: readonly TcpProxy[]) => {
  await Promise.all(proxies.map((proxy) => proxy.heal()))
}
