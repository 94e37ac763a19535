/** Typed events: node's EventEmitter inside, but no public `emit`, and no listener that can harm another. */
import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { MemisError, quote } from './errors'

// biome-ignore lint/suspicious/noExplicitAny: the shape that typed-emitter asks for
type Listeners<Events> = { [E in keyof Events]: (...args: any[]) => void }

/** The event names in a string, which are separated by white space. */
type Names<S extends string, All> = string extends S
  ? All
  : S extends `${infer A}${' ' | '\n' | '\t'}${infer B}`
    ? Names<A, All> | Names<B, All>
    : S extends ''
      ? never
      : S

/** A listener to several events takes what each of them gives: an intersection of functions. */
type AllOf<L> = (L extends unknown ? (listener: L) => void : never) extends (listener: infer All) => void ? All : never

type ListenerOf<Events extends Listeners<Events>, S extends string> = AllOf<
  Events[Names<S, keyof Events> & keyof Events]
>

/**
 * Tells an event: calls each of its listeners, whatever the others do. No method, so that who holds a Client or a
 * Collection cannot tell events in its name.
 */
// biome-ignore lint/suspicious/noExplicitAny: whoever calls it holds the types of the events
export let emit: (target: Emitter<any>, event: string, args: readonly unknown[]) => void

export class Emitter<Events extends Listeners<Events>> {
  readonly #emitter = new EventEmitter() as TypedEmitter<Events>
  readonly #names: readonly (keyof Events & string)[]
  readonly #failed: (event: string, error: unknown) => void

  /** @internal `failed` hears of what a listener throws, or what its promise rejects with. */
  constructor(names: readonly (keyof Events & string)[], failed: (event: string, error: unknown) => void) {
    this.#names = names
    this.#failed = failed
    this.#emitter.setMaxListeners(0)
  }

  /**
   * Calls `listener` at every `event`, after the listeners that are there.
   * @throws MemisError `INVALID_LISTENER` where there is no such event, or the listener is no function; as do `once` and `multi`.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): this {
    // `events.once` of node listens to errors, too, whatever it waits for.
    if (event !== 'error') this.#checkEvent(event)
    this.#emitter.on(event, checkListener(listener))
    return this
  }

  /** Calls `listener` at the next `event` only. */
  once<E extends keyof Events>(event: E, listener: Events[E]): this {
    if (event !== 'error') this.#checkEvent(event) // as above
    checkListener(listener)
    let told = false
    const once = ((...args: unknown[]) => {
      if (told) return
      told = true
      this.#emitter.off(event, once)
      return Reflect.apply(listener, this, args)
    }) as Events[E]
    // By this field, node's `off` finds it.
    Object.assign(once, { listener })
    this.#emitter.on(event, once)
    return this
  }

  /** Takes a listener away that `on`, `once` or `multi` added. */
  off<E extends keyof Events>(event: E, listener: Events[E]): this {
    this.#emitter.off(event, checkListener(listener))
    return this
  }

  /** The same as `off`; `events.once` of node calls it by this name. */
  removeListener<E extends keyof Events>(event: E, listener: Events[E]): this {
    return this.off(event, listener)
  }

  /**
   * Listens to several events: `multi('expire delete', listener)`. Names are separated by white space; where one is unknown, none
   * is listened to.
   */
  multi<S extends string>(
    events: Names<S, keyof Events> extends keyof Events ? S : keyof Events & string,
    listener: ListenerOf<Events, S>,
  ): this {
    const names = new Set(String(events).split(/\s+/).filter(Boolean))
    if (names.size === 0) throw this.#noEvent('no event is named')
    for (const name of names) this.#checkEvent(name)
    checkListener(listener)
    for (const name of names) this.on(name as keyof Events, listener as Events[keyof Events])
    return this
  }

  #checkEvent(name: unknown): void {
    if (!(this.#names as readonly unknown[]).includes(name)) throw this.#noEvent(`there is no event ${quote(name)}`)
  }

  #noEvent(what: string): MemisError {
    return new MemisError('INVALID_LISTENER', `${what}; there are ${this.#names.join(', ')}`)
  }

  /** How many listeners an event has. */
  listenerCount(event: keyof Events): number {
    return this.#emitter.listenerCount(event)
  }

  static {
    emit = (target, event, args) => {
      const emitter = target.#emitter
      if (emitter.listenerCount(event) === 0) return
      for (const listener of emitter.rawListeners(event)) {
        try {
          const result = Reflect.apply(listener, target, args) as PromiseLike<unknown> | undefined
          if (typeof result?.then === 'function') result.then(undefined, (error) => target.#failed(event, error))
        } catch (error) {
          target.#failed(event, error)
        }
      }
    }
  }
}

function checkListener<L>(listener: L): L {
  if (typeof listener === 'function') return listener
  throw new MemisError('INVALID_LISTENER', `a listener must be a function, this is ${quote(listener)}`)
}
