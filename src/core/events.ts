/** Typed events: like Node's EventEmitter, but without a public `emit`, and no listener can harm another. */
import { MemisError } from './errors'
import { kindOf, quote } from './text'

// biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own
type Listener = (...args: any[]) => unknown
type Listeners<Events> = { [E in keyof Events]: Listener }

/** The event names in a string, which are separated by white space. */
type Names<S extends string, All> = string extends S
  ? All
  : S extends `${infer A}${' ' | '\n' | '\t'}${infer B}`
    ? Names<A, All> | Names<B, All>
    : S extends ''
      ? never
      : S

type Known<S extends string, All> = Names<S, All> extends All ? S : All & string

/** A listener to several events accepts what each of them gives: an intersection of functions. */
type AllOf<L> = (L extends unknown ? (listener: L) => void : never) extends (listener: infer All) => void ? All : never

type ListenerOf<Events extends Listeners<Events>, S extends string> = AllOf<
  Events[Names<S, keyof Events> & keyof Events]
>

/** A listener that was added. */
interface Held {
  readonly listener: Listener
  readonly isOnce: boolean
  /** A listener of `once` that was called. */
  isSpent: boolean
}

const nobody: readonly Held[] = []

/** Calls each listener of an event. Not a method: holding a client or a collection must not be enough to emit its events. */
// biome-ignore lint/suspicious/noExplicitAny: the caller knows the types of the events
export let emit: (target: Emitter<any>, event: string, args: readonly unknown[]) => void

export class Emitter<Events extends Listeners<Events>> {
  // Node's types ask for these where they ask for an EventEmitter, as `events.once` does. They do not exist.
  declare readonly emit: never
  declare readonly addListener: never
  declare readonly prependListener: never
  declare readonly prependOnceListener: never
  declare readonly rawListeners: never
  declare readonly getMaxListeners: never
  declare readonly setMaxListeners: never

  readonly #names: readonly (keyof Events & string)[]
  readonly #failed: (event: string, error: unknown) => void
  readonly #active: (hasListeners: boolean) => void
  /** A list is never empty. It is replaced, not changed, so that nothing disturbs an emit under way. */
  readonly #held = new Map<string, readonly Held[]>()

  /**
   * @internal `failed` is given what a listener throws, or what its promise rejects with. `active` is called when the first
   * listener is added, and when the last is removed.
   */
  constructor(
    names: readonly (keyof Events & string)[],
    failed: (event: string, error: unknown) => void,
    active: (hasListeners: boolean) => void = () => {},
  ) {
    this.#names = names
    this.#failed = failed
    this.#active = active
  }

  /**
   * Calls `listener` at every `event`, after the listeners that are there already.
   * @throws MemisError `INVALID_LISTENER` if there is no such event, or the listener is not a function. So do the other methods.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): this {
    if (!this.#isNodes(event, this.on)) this.#add(this.#checked(event), listener, false)
    return this
  }

  /** Calls `listener` at the next `event` only. */
  once<E extends keyof Events>(event: E, listener: Events[E]): this {
    if (!this.#isNodes(event, this.once)) this.#add(this.#checked(event), listener, true)
    return this
  }

  /**
   * Listens to several events: `multi('expire delete', listener)`. Names are separated by white space. If one of them is
   * unknown, none is listened to.
   */
  multi<S extends string>(events: Known<S, keyof Events>, listener: ListenerOf<Events, S>): this {
    for (const name of this.#named(events)) this.#add(name, listener, false)
    return this
  }

  /** Removes a listener that `on`, `once` or `multi` added: from one event, or from several as `multi` names them. */
  off<E extends keyof Events>(event: E, listener: Events[E]): this
  off<S extends string>(events: Known<S, keyof Events>, listener: ListenerOf<Events, S>): this
  off(events: unknown, listener: unknown): this {
    checkListener(listener)
    if (events === 'error' && !this.#has('error')) return this // see `#isNodes`
    for (const name of this.#named(events)) {
      const last = this.#held.get(name)?.findLast((held) => held.listener === listener)
      if (last !== undefined) this.#remove(name, last)
    }
    return this
  }

  /** The same as `off`. */
  removeListener<E extends keyof Events>(event: E, listener: Events[E]): this
  removeListener<S extends string>(events: Known<S, keyof Events>, listener: ListenerOf<Events, S>): this
  removeListener(events: unknown, listener: unknown): this {
    return this.off(events as keyof Events, listener as Events[keyof Events])
  }

  /** Removes all listeners of these events, or of every event. */
  removeAllListeners<E extends keyof Events>(event?: E): this
  removeAllListeners<S extends string>(events?: Known<S, keyof Events>): this
  removeAllListeners(events?: unknown): this {
    const names = events === undefined ? this.eventNames() : this.#named(events)
    const wasActive = this.#held.size > 0
    for (const name of names) this.#held.delete(name as string)
    if (wasActive && this.#held.size === 0) this.#active(false)
    return this
  }

  /** How many listeners an event has. */
  listenerCount(event: keyof Events): number {
    return this.#held.get(event as string)?.length ?? 0
  }

  /** The listeners of an event, in the order in which they are called. */
  listeners<E extends keyof Events>(event: E): Events[E][] {
    return (this.#held.get(event as string) ?? nobody).map((held) => held.listener as Events[E])
  }

  /** The events that have listeners. */
  eventNames(): (keyof Events & string)[] {
    return [...this.#held.keys()] as (keyof Events & string)[]
  }

  #add(event: string, listener: unknown, isOnce: boolean): void {
    const held: Held = { listener: checkListener(listener), isOnce, isSpent: false }
    const isFirst = this.#held.size === 0
    this.#held.set(event, [...(this.#held.get(event) ?? nobody), held])
    if (isFirst) this.#active(true)
  }

  #remove(event: string, removed: Held): void {
    const rest = this.#held.get(event)?.filter((held) => held !== removed)
    if (rest === undefined) return
    if (rest.length > 0) this.#held.set(event, rest)
    else if (this.#held.delete(event) && this.#held.size === 0) this.#active(false)
  }

  /**
   * Node's `events.once` and `events.on` listen to `error` beside the event that they are asked for. An emitter without such an event
   * ignores that, and refuses everybody else.
   */
  #isNodes(event: unknown, method: Listener): boolean {
    return event === 'error' && !this.#has('error') && isCalledByNode(method)
  }

  #has(event: unknown): event is keyof Events & string {
    return (this.#names as readonly unknown[]).includes(event)
  }

  #checked(event: unknown): string {
    if (this.#has(event)) return event
    throw invalid(`there is no event ${quote(event)}; there are ${this.#names.join(', ')}`)
  }

  #named(events: unknown): Set<string> {
    const names = new Set(typeof events === 'string' ? events.split(/\s+/).filter(Boolean) : [events])
    if (names.size === 0) throw invalid(`no event is named; there are ${this.#names.join(', ')}`)
    return new Set([...names].map((name) => this.#checked(name)))
  }

  static {
    emit = (target, event, args) => {
      for (const held of target.#held.get(event) ?? nobody) {
        if (held.isOnce) {
          if (held.isSpent) continue
          held.isSpent = true
          target.#remove(event, held)
        }
        callListener(held.listener, target, args, (error) => target.#failed(event, error))
      }
    }
  }
}

/** Calls a listener. `failed` is given what it throws, or what its promise rejects with. */
export function callListener(
  listener: Listener,
  self: unknown,
  args: readonly unknown[],
  failed: (error: unknown) => void,
): void {
  try {
    const result = Reflect.apply(listener, self, args) as PromiseLike<unknown> | undefined
    if (typeof result?.then === 'function') result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}

function checkListener(listener: unknown): Listener {
  if (typeof listener === 'function') return listener as Listener
  throw invalid(`a listener must be a function, this is ${kindOf(listener)}`)
}

/** Whether a function that is being called was called by Node's module `events`. */
function isCalledByNode(callee: Listener): boolean {
  if (Object.isFrozen(Error)) return true // it cannot be told
  const { stackTraceLimit, prepareStackTrace } = Error
  try {
    Error.stackTraceLimit = 1
    Error.prepareStackTrace = (_, [caller]) => caller?.getFileName()
    const trace: { stack?: unknown } = {}
    Error.captureStackTrace(trace, callee)
    return trace.stack === 'node:events'
  } finally {
    Object.assign(Error, { stackTraceLimit, prepareStackTrace })
  }
}

const invalid = (message: string) => new MemisError('INVALID_LISTENER', message)
