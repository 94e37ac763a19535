/**
 * What memis uses of the NATS client: the names that the packages `nats` 2 and `@nats-io/transport-node` 3 share. Both are
 * optional peers, loaded when they are needed first.
 */

export interface Headers extends Iterable<[name: string, values: string[]]> {
  readonly code: number
  append(name: string, value: string): void
}

export interface Message {
  readonly subject: string
  readonly reply?: string
  readonly data: Uint8Array
  readonly headers?: Headers
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

/** In the order of preference, for a connection that memis makes. */
const packages = ['nats', '@nats-io/transport-node'] as const

/** The package that the connection comes from, or else the first that is installed; undefined if there is none. */
export function loadLibrary(connection?: NatsConnection): Library | undefined {
  // Only version 2 has JetStream in the same package.
  const isNewer = connection !== undefined && !('jetstream' in connection)
  return isNewer ? (load(packages[1]) ?? load(packages[0])) : (load(packages[0]) ?? load(packages[1]))
}

function load(name: (typeof packages)[number]): Library | undefined {
  try {
    return name === 'nats' ? require('nats') : require('@nats-io/transport-node')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error
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
