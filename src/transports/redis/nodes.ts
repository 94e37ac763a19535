/** The options of a group of servers, and clients that lead to one of them. They are never connected, only duplicated. */
import type { RedisClientType } from 'redis'

export interface Address {
  readonly host: string
  readonly port: number
}

/** From the address that a server goes by among the servers to the one that the client reaches it by. */
export type NodeAddressMap = Readonly<Record<string, Address>> | ((address: string) => Address | undefined)

export const textOf = ({ host, port }: Address): string => `${host}:${port}`

/** The list from any place on, around. */
export function fromAny<A>(list: readonly A[]): A[] {
  const start = Math.floor(Math.random() * list.length)
  return [...list.slice(start), ...list.slice(0, start)]
}

function parse(address: string): Address {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) }
}

export function mapped(map: NodeAddressMap | undefined, address: string): Address {
  const found = typeof map === 'function' ? map(address) : map?.[address]
  return found ?? parse(address)
}

/** A client for one connection. node-redis's own reconnecting and queueing are off: memis decides what is sent again, and when. */
export function duplicate(prototype: RedisClientType, more: { RESP?: 3; signal?: AbortSignal } = {}): RedisClientType {
  const { signal, ...others } = more
  const socket = { ...prototype.options.socket, reconnectStrategy: false, socketTimeout: undefined, signal }
  return prototype.duplicate({
    disableOfflineQueue: true,
    pingInterval: undefined,
    // No timer for each command: whoever waits for an answer notices a server that gives none.
    commandOptions: { timeout: undefined },
    ...others,
    socket,
  } as never) as RedisClientType
}

/** Version 5 of node-redis throws if the client is not open, after it has settled what waits. */
export function destroy(client: RedisClientType): void {
  try {
    client.destroy()
  } catch {
    // Its socket is closed all the same.
  }
}

/** Cheap: node-redis builds a class for each client that is made otherwise. */
export function leadTo(prototype: RedisClientType, { host, port }: Address): RedisClientType {
  const { path: _, ...socket } = { ...prototype.options.socket } as { path?: string }
  // A URL would count for more than the socket.
  return prototype.duplicate({ url: undefined, socket: { ...socket, host, port } } as never) as RedisClientType
}
