/** Faults of sessions, of the link and of closing. */
import { type Cursor, type Entry, MemisError } from '../../../src/transport-kit'
import { apiFault, type Fault, fault, hosts, nameOf, type Plant, sinks, straight, together, told } from './fault'

export const leftTimers: NodeJS.Timeout[] = []

/** Drops one of so many notifications. */
const dropping = (each: number): Plant => {
  let count = 0
  return sinks((sink) => ({ entries: (list, isAtomic) => void (++count % each === 0 || sink.entries(list, isAtomic)) }))
}

const isTombstone = ({ item }: Entry) => item === null

export const following: readonly Fault[] = [
  fault('drops each tenth notification', 'K1 a joiner', dropping(10)),
  fault(
    'drops the first of several writes of a key, and does not declare it',
    'S2',
    sinks((sink) => ({
      entries: (list, isAtomic) =>
        sink.entries(
          list.filter(({ key }, i) => !list.slice(i + 1).some((later) => later.key === key)),
          isAtomic,
        ),
    })),
  ),
  fault(
    'tells changes in another order',
    'W4 K1 a watcher',
    sinks((sink) => {
      let late: readonly Entry[] | undefined
      return {
        entries(list, isAtomic) {
          const before = late
          late = list
          if (before !== undefined) sink.entries(before, isAtomic)
        },
      }
    }),
  ),
  fault(
    'gives old contents to those that join',
    'R2 a joiner is told',
    sinks((sink, id, from, { shared }) => {
      let isFirst = from === null
      return {
        entries(list, isAtomic) {
          const name = `contents of ${nameOf(id)}`
          if (isFirst && !shared.has(name)) shared.set(name, list)
          sink.entries(isFirst ? (shared.get(name) as Entry[]) : list, isAtomic)
          isFirst = false
        },
      }
    }),
  ),
  fault(
    'says that everything was told before it was',
    'K5 K4',
    sinks((sink) => ({
      entries: (list, isAtomic) => void setTimeout(() => sink.entries(list, isAtomic), 20),
    })),
  ),
  fault(
    'misses what is written while a session begins',
    'K1 a joiner misses',
    sinks((sink, _, from) => {
      let lists = 0
      return {
        entries(list, isAtomic) {
          if (from !== null || ++lists !== 2) sink.entries(list, isAtomic)
        },
      }
    }),
  ),
  fault('tells a snapshot whatever the replica knows', 'K5 K4', ({ intact }) => ({
    watch: (id, _, sink) => intact.watch(id, null, sink),
  })),
  fault('tells everything, and calls it a delta', 'K5 K4', ({ intact }) => ({
    watch: (id, from, sink) =>
      intact.watch(id, null, {
        ...straight(sink),
        begin: (mode, history) => sink.begin(from === null ? mode : 'delta', history),
      }),
  })),
  fault('tells a delta from a place of another history', 'K5 a place', ({ intact, hub }) => ({
    watch: (id, from, sink) => intact.watch(id, from && { ...from, epoch: hub.collection(id).at.epoch }, sink),
  })),
  fault(
    'leaves tombstones out of a delta',
    'K5 K4',
    told((entry) => (isTombstone(entry) ? null : entry)),
  ),
  fault(
    'leaves out of a delta what expired',
    'K5 X4',
    told((entry) => (entry.cause === 'expire' ? null : entry)),
  ),
  fault(
    'says of an item that expired that it was deleted',
    'K5 X4',
    told((entry) => (isTombstone(entry) ? { ...entry, cause: 'delete' } : entry)),
  ),
  fault('tells a delta though tombstones were forgotten', 'K5 R2', ({ intact, hub }) => ({
    watch(id, from, sink) {
      const isForgotten = from !== null && from.n < hub.collection(id).state.forgotten
      return intact.watch(id, from, {
        ...straight(sink),
        begin: (mode, history) => sink.begin(isForgotten ? 'delta' : mode, history),
        entries: (list, isAtomic) => sink.entries(isForgotten ? list.filter(({ n }) => n > from.n) : list, isAtomic),
      })
    },
  })),
  fault(
    'forgets tombstones at once',
    'K5 tombstones',
    hosts(() => ({ retention: 0 })),
  ),
  fault(
    'keeps tombstones for a hundredth of the retention',
    'K5 tombstones',
    hosts(({ retention }) => ({ retention: retention / 100 })),
  ),
  fault(
    'tells a clear as nothing to those that resume',
    'K5 W5',
    sinks((sink, _, from) => ({
      entries: (list, isAtomic) =>
        sink.entries(from === null ? list : list.filter((entry) => !isTombstone(entry)), isAtomic),
    })),
  ),
  fault('calls a sink after its watch was closed', 'K1 a watch that is closed', ({ intact }) => ({
    watch(id, from, sink) {
      intact.watch(id, from, sink)
      return { close() {} }
    },
  })),
  fault('ends the other watches of a collection with one', 'K1 a watch that is closed', ({ intact, shared }) => ({
    watch(id, from, sink) {
      const watches = (shared.get(nameOf(id)) ?? []) as { close(): void }[]
      shared.set(nameOf(id), watches)
      const watch = intact.watch(id, from, sink)
      watches.push(watch)
      return {
        close: () => {
          for (const each of watches) each.close()
        },
      }
    },
  })),
  fault(
    'begins each session twice',
    'K5 K4',
    sinks((sink) => ({
      begin: (mode, history) => {
        sink.begin(mode, history)
        sink.begin(mode, history)
      },
    })),
  ),
  fault(
    'counts places in its own way in live()',
    'W1 K1',
    sinks((sink) => ({ live: ({ epoch }) => sink.live({ epoch, n: 0 }) })),
  ),
  fault(
    'does not say that the link is down',
    'K3 K2',
    hosts(() => ({ down: () => {} })),
  ),
  fault(
    'does not end sessions when the link breaks',
    'K3 K2',
    sinks(() => ({ stale: () => {} })),
  ),
  fault(
    'takes a broken link for a fault that does not pass',
    'K3 K2',
    hosts((host) => ({ down: (error) => host.down(new MemisError('UNAUTHORIZED', error.message)) })),
  ),
  fault(
    'says nothing while the store is away at the start',
    'K8',
    hosts((host) => ({ down: (error) => void (host && error) })),
  ),
  fault(
    'does not connect again',
    'K8',
    hosts((host) => {
      let isDown = false
      return {
        up: () => {
          if (!isDown) host.up()
        },
        down: (error) => {
          isDown = true
          host.down(error)
        },
      }
    }),
  ),
  fault(
    'connects again once',
    'K9 outage after outage',
    hosts((host) => {
      let ups = 0
      return {
        up: () => {
          if (++ups <= 2) host.up()
        },
      }
    }),
  ),
  fault('tries to connect without a pause', 'K9 a transport', ({ intact }) => {
    let timer: NodeJS.Timeout | undefined
    return {
      open: (host) =>
        intact.open({
          ...host,
          up: () => {
            clearInterval(timer)
            host.up()
          },
          report: (error) => host.report(error),
          down(error) {
            host.down(error)
            timer = setInterval(() => host.down(error), 10)
          },
        }),
      close: () => {
        clearInterval(timer)
        return intact.close()
      },
    }
  }),
  fault(
    'does not make up for a lost notification',
    'K1 K2',
    hosts(() => ({ auditInterval: 1e9 })),
  ),
  fault(
    'takes the next notification for proof that none was lost',
    'K2 live',
    sinks((sink) => {
      let last: Cursor | undefined
      return {
        live(cursor) {
          last = cursor
          sink.live(cursor)
        },
        stale(error) {
          if (last !== undefined && /were lost/.test(error.message)) sink.live({ ...last, n: last.n + 2 })
          else sink.stale(error)
        },
      }
    }),
  ),
  fault('does not prove that a session is current', 'K2 H6', () => ({ isLocal: undefined as never })),
  fault('rejects refused writes with an error of its own', 'H2 a store that refuses', ({ intact }) => ({
    write: (id, batch) =>
      intact.write(id, batch).catch((error) => {
        throw new Error(error.message)
      }),
  })),
  fault('does not say that a refused write was not stored', 'H2 a store that refuses', ({ intact }) => ({
    write: (id, batch) =>
      intact.write(id, batch).catch(({ code, message }) => {
        throw new MemisError(code, message)
      }),
  })),
  fault('ends the sessions when the store refuses a write', 'H2 a store that refuses', ({ intact }) => ({
    write: (id, batch) =>
      intact.write(id, batch).catch((error) => {
        intact.cut()
        intact.heal()
        throw error
      }),
  })),
  fault(
    'writes although the client only reads',
    'H11 a transport',
    hosts(() => ({ readOnly: false })),
  ),
  fault(
    'creates something although the client only reads',
    'H11 X4',
    together(
      hosts(() => ({ readOnly: false })),
      ({ intact }) => ({
        watch(id, from, sink) {
          void intact.write(id, { writer: `${Math.random()}`, sequence: 1, writes: [{ kind: 'delete', key: 'hello' }] })
          return intact.watch(id, from, sink)
        },
      }),
    ),
  ),
  fault('leaves a timer behind when it is closed', 'W7 close ends', () => {
    leftTimers.push(setInterval(() => {}, 60_000))
    return {}
  }),
  fault('leaves a write open when it is closed', 'W7 close ends', ({ intact }) => {
    let isClosed = false
    return {
      write: async (id, batch) => {
        const outcomes = await intact.write(id, batch).catch(() => [])
        await new Promise((resolve) => setImmediate(resolve))
        return isClosed ? new Promise(() => {}) : outcomes
      },
      close: () => {
        isClosed = true
        return intact.close()
      },
    }
  }),
  fault('calls its host after it was closed', 'W7 close ends', ({ intact }) => {
    let report = (_: MemisError) => {}
    return {
      open(host) {
        report = (error) => host.report(error)
        intact.open(host)
      },
      async close() {
        await intact.close()
        setTimeout(() => report(new MemisError('DISCONNECTED', 'closed')), 1)
      },
    }
  }),
  fault('does not close while its store is away', 'W7 a transport', (site) => {
    let isDown = false
    const noted = hosts((host) => ({
      up() {
        isDown = false
        host.up()
      },
      down(error) {
        isDown = true
        host.down(error)
      },
    }))
    return { ...noted(site), close: () => (isDown ? new Promise<void>(() => {}) : site.intact.close()) }
  }),
  fault('lacks something that the suite was not told of', 'H2 the transport declares', () => ({
    lacks: [{ clause: 'S2', reason: 'undeclared' }],
  })),
  apiFault(
    'tells those that return only what is new, and not what is gone',
    'K4 deletes that',
    told((entry) => (isTombstone(entry) ? null : entry)),
  ),
  apiFault('drops each third notification', 'K1 when writes stop', dropping(3)),
  apiFault(
    'does not say that it was cut off',
    'K3 K6',
    together(
      hosts(() => ({ down: () => {} })),
      sinks(() => ({ stale: () => {} })),
    ),
  ),
]
