/**
 * What memis uses of the NATS client: the names that the packages `nats` 2 and `@nats-io/transport-node` 3 share. Both are
 * optional peers, loaded when they are needed first.
 */
import { MemisError } from '../../core/errors'
import { loadPackage, type PackageNeed } from '../../core/packages'

export interface Headers extends Iterable<[name: string, values: string[]]> {
  readonly code: number
  append(name: string, value: string): void
}

export interface Message {
  readonly subject: string
  readonly reply?: string
  readonly data: Uint8Array
  /** Read by {@link headersOf} only. */
  readonly headers?: Headers
  /** Bytes of subject, reply, headers and data. */
  size?(): number
}

/** The most bytes of headers that are read: the client's time grows with the square of their number, and 64 KB would take it a second. */
export const mostHeaderBytes = 8 * 1024

/** The headers of a message that anybody may have sent; null if they cannot be read. Some make the client throw. */
export function headersOf(message: Message): Headers | undefined | null {
  const { subject, reply = '' } = message
  const size = (message.size?.() ?? 0) - subject.length - reply.length
  if (size > mostHeaderBytes && size - message.data.length > mostHeaderBytes) return null
  try {
    return message.headers
  } catch {
    return null
  }
}

export interface Subscription {
  unsubscribe(): void
}

export interface NatsConnection {
  readonly info?: { readonly max_payload?: number; readonly version?: string }
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string; headers?: Headers }): void
  subscribe(subject: string, options: { callback(error: Error | null, message: Message): void }): Subscription
  flush(): Promise<void>
  status(): AsyncIterable<unknown>
  closed(): Promise<unknown>
  isClosed(): boolean
  close(): Promise<void>
  reconnect(): Promise<void>
}

export interface Library {
  connect(options: object): Promise<NatsConnection>
  headers(): Headers
  createInbox(prefix?: string): string
}

type PackageName = '@nats-io/transport-node' | 'nats'

/**
 * The package that the connection comes from, or else the first one that is installed.
 * @throws MemisError `MISSING_PACKAGE` if there is none, or only in other versions
 */
export function loadLibrary(connection?: NatsConnection): Library {
  const needs = [need('@nats-io/transport-node', 3), need('nats', 2)]
  // Only version 2 has JetStream in the same package. What memis takes of one package serves connections of the other one, too.
  if (connection !== undefined && 'jetstream' in connection) needs.reverse()
  const errors: string[] = []
  for (const each of needs) {
    try {
      return loadPackage(each)
    } catch (error) {
      if (!(error instanceof MemisError)) throw error
      errors.push(error.message)
    }
  }
  throw new MemisError('MISSING_PACKAGE', errors.join('; or '))
}

const need = (name: PackageName, major: number): PackageNeed<Library> => ({
  name,
  majors: [major],
  load: () => load(name),
  version: () => versionOf(name),
})

// Bundlers go on without a missing package only if its name stands within `try`.
function load(name: PackageName): Library {
  try {
    return name === 'nats' ? require('nats') : require('@nats-io/transport-node')
  } catch (error) {
    // biome-ignore lint/complexity/noUselessCatch: loadPackage tells what it means
    throw error
  }
}

function versionOf(name: PackageName): unknown {
  try {
    return (name === 'nats' ? require('nats/package.json') : require('@nats-io/transport-node/package.json')).version
  } catch {
    return undefined
  }
}

/** What a connection says about itself. */
export interface ConnectionListener {
  /** It is lost, and may come back by itself. */
  lost(): void
  back(): void
  /** The server refused what was published to the subject. It tells the connection, and not the caller. */
  forbidden(subject: string): void
  closed(error: unknown): void
}

const listeners = new WeakMap<NatsConnection, Set<ConnectionListener>>()

/** Listens to a connection, until the returned function is called. Clients that share a connection share one iterator: it cannot be ended. */
export function listenTo(connection: NatsConnection, listener: ConnectionListener): () => void {
  let all = listeners.get(connection)
  if (all === undefined) {
    all = new Set()
    listeners.set(connection, all)
    follow(connection, all)
  }
  all.add(listener)
  return () => all.delete(listener)
}

async function follow(connection: NatsConnection, all: ReadonlySet<ConnectionListener>): Promise<void> {
  connection.closed().then((error) => {
    for (const each of [...all]) each.closed(error)
  })
  for await (const status of connection.status()) {
    // In version 3, the error itself names the subject.
    const { type, permissionContext, error } = status as Status
    const { operation, subject } = permissionContext ?? error ?? {}
    for (const each of [...all]) {
      if (type === 'disconnect') each.lost()
      else if (type === 'reconnect') each.back()
      else if (operation === 'publish' && subject !== undefined) each.forbidden(subject)
    }
  }
}

interface Status {
  readonly type: string
  readonly permissionContext?: { readonly operation?: string; readonly subject?: string }
  readonly error?: { readonly operation?: string; readonly subject?: string }
}
