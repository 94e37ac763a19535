/** A client on a transport that a test answers. */
import type { Client } from '../../src/core/client'
import type { Collection } from '../../src/core/collection'
import type { MemisError } from '../../src/core/errors'
import type { MemisOptions } from '../../src/core/options'
import { createClient } from '../../src/create-client'
import type { FakeClock } from './fake-clock'
import { FakeTransport } from './fake-transport'

export interface Item {
  v?: unknown
}

export interface FakeClient {
  readonly transport: FakeTransport
  readonly clock: FakeClock
  readonly client: Client
  readonly things: Collection<Item>
  /** What the client told as `error`. */
  readonly errors: MemisError[]
}

/** The link is up, unless said otherwise. */
export function fakeClient({ up = true, ...options }: MemisOptions & { up?: boolean } = {}): FakeClient {
  const transport = new FakeTransport()
  const client = createClient({ transport, ...options })
  const errors: MemisError[] = []
  client.on('error', (error) => errors.push(error))
  if (up) transport.host.up()
  return { transport, clock: transport.clock, client, things: client.database('db').collection('things'), errors }
}

/** What became of a promise: undefined while it waits. */
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
