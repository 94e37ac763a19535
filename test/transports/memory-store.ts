/** A {@link MemoryHub} as the conformance suites take a store. */
import type { ConformanceOptions, Store } from '../../src/conformance'
import { MemoryHub } from '../../src/transports/memory/hub'
import { MemoryTransport } from '../../src/transports/memory/transport'

interface HubStore extends Store {
  readonly hub: MemoryHub
}

export const memory: Pick<ConformanceOptions<HubStore>, 'setup' | 'hooks'> = {
  setup() {
    const hub = new MemoryHub()
    return { hub, transport: () => new MemoryTransport(hub) }
  },
  hooks: {
    cut: ({ hub }, transport?: MemoryTransport) => (transport ?? hub).cut(),
    heal: ({ hub }, transport?: MemoryTransport) => (transport ?? hub).heal(),
    dropNotification(_, { faults }: MemoryTransport) {
      faults.drop = 1
    },
    lose: ({ hub }) => hub.lose(),
    loseWithClockBehind: ({ hub }) => hub.lose({ clockBehind: '1 h' }),
    backUp({ hub }) {
      const snapshot = hub.snapshot()
      return () => hub.rollBack(snapshot)
    },
    evict: ({ hub }, _, key) => hub.evict(key),
    refuseWrites: ({ hub }, refuse) => hub.refuseWrites(refuse),
    countRecords: ({ hub }, id) => hub.collection(id).state.stored.length,
    advance: ({ hub }, ms) => hub.advance(ms),
  },
}
