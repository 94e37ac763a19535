/** A client on a transport whose calls a test answers. */
import type { Client } from '../../src/core/client'
import type { Collection } from '../../src/core/collection'
import type { MemisError } from '../../src/core/errors'
import type { MemisOptions } from '../../src/core/options'
import { createClient } from '../../src/create-client'
import { FakeClock } from './fake-clock'
import { type FakeSession, FakeTransport, type WriteCall } from './fake-transport'

export interface Item {
  v?: unknown
}

export interface FakeClientOptions extends MemisOptions {
  up?: boolean
  clock?: FakeClock
  isLocal?: boolean
}

export class FakeClient {
  readonly transport: FakeTransport
  readonly client: Client
  readonly things: Collection<Item>
  /** The client's `error` events. */
  readonly errors: MemisError[] = []

  /** The link is up, and the store is in this process, unless said otherwise. */
  constructor({ up = true, clock = new FakeClock(), isLocal = true, ...options }: FakeClientOptions = {}) {
    this.transport = new FakeTransport(clock)
    if (isLocal) this.transport.isLocal = true
    this.client = createClient({ transport: this.transport, ...options })
    this.client.on('error', (error) => this.errors.push(error))
    if (up) this.transport.host.up()
    this.things = this.client.database('db').collection('things')
  }

  get clock(): FakeClock {
    return this.transport.clock
  }

  get session(): FakeSession {
    return this.transport.session
  }

  get call(): WriteCall {
    return this.transport.call
  }
}

/** What became of a promise: nothing while it waits. */
export function outcomeOf<V>(promise: Promise<V>): { value?: V; error?: MemisError } {
  const outcome: { value?: V; error?: MemisError } = {}
  promise.then(
    (value) => {
      outcome.value = value
    },
    (error) => {
      outcome.error = error
    },
  )
  return outcome
}

export const code = (expected: string) => (error: unknown) => {
  if ((error as MemisError).code !== expected) throw error
  return true
}

/** Runs it, and fails if anything was rejected that nobody handles. */
export async function withoutUnhandled(run: () => unknown): Promise<void> {
  const rejections: unknown[] = []
  const note = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', note)
  try {
    await run()
    for (let i = 0; i < 3; i++) await new Promise(setImmediate)
  } finally {
    process.off('unhandledRejection', note)
  }
  if (rejections.length > 0) throw rejections[0]
}
