/** Recognises clients of other packages by their members, so that one in the wrong place can be named. */

interface Kind {
  readonly name: string
  readonly members: readonly string[]
}

/** From the most particular to the most general. */
const kinds = [
  { name: 'a client of memis', members: ['database', 'errorCounts'] },
  { name: 'a hub of the memory transport', members: ['advance', 'cut', 'heal', 'rollBack'] },
  { name: 'a pool of node-redis', members: ['execute', 'totalClients'] },
  { name: 'a sentinel client of node-redis', members: ['sendCommand', 'getMasterNode'] },
  { name: 'a cluster client of node-redis', members: ['sendCommand', 'masters', 'nodeByAddress'] },
  { name: 'a client of node-redis', members: ['sendCommand', 'duplicate', 'destroy'] },
  { name: 'a client of node-redis 4', members: ['sendCommand', 'duplicate', 'isOpen'] },
  { name: 'a client of ioredis', members: ['sendCommand', 'isCluster', 'status'] },
  { name: 'a connection of NATS', members: ['publish', 'subscribe', 'status', 'closed'] },
  { name: 'a promise', members: ['then', 'catch'] },
] as const satisfies readonly Kind[]

export type ClientKind = (typeof kinds)[number]['name']

/** Undefined if it is none of these. */
export function kindOfClient(value: unknown): ClientKind | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return kinds.find(({ members }: Kind) => members.every((name) => name in value))?.name
  } catch {
    return undefined // a proxy that throws
  }
}
