/** The options of a group of servers, and clients that lead to one of them. They are never connected, only duplicated. */
import type { RedisClientType } from 'redis'

export interface Address {
  readonly host: string
  readonly port: number
}

/** From the address that a server goes by among the servers to the one that the client reaches it by. */
export type NodeAddressMap = Readonly<Record<string, Address>> | ((address: string) => Address | undefined)

export const textOf = ({ host, port }: Address): string => `${host}:${port}`

function parse(address: string): Address {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) }
}

export function mapped(map: NodeAddressMap | undefined, address: string): Address {
  const found = typeof map === 'function' ? map(address) : map?.[address]
  return found ?? parse(address)
}

/** Cheap: node-redis builds a class for each client that is made otherwise. */
export function leadTo(prototype: RedisClientType, { host, port }: Address): RedisClientType {
  const { path: _, ...socket } = { ...prototype.options.socket } as { path?: string }
  // A URL would count for more than the socket.
  return prototype.duplicate({ url: undefined, socket: { ...socket, host, port } } as never) as RedisClientType
}
