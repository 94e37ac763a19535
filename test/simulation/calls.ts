/** The calls of `set`, `delete` and `clear`, from the call to its settling. */
import type { Write } from '../../src/core/transport'
import type { VirtualTime } from './time'

export class Call {
  /** The point in the ledger's order at which it took effect. */
  order: number | null = null
  existed = false
  /** What it was refused with: the error's `stored`. */
  refused: 'no' | 'unknown' | null = null
  settled = 0

  constructor(
    readonly id: number,
    readonly actor: string,
    /** Null for a clear. */
    readonly key: string | null,
    readonly text: string,
    readonly since: number,
    /** Who made it. */
    readonly process: { readonly stalled: boolean; readonly resumedAt: number },
  ) {}
}

export class Calls {
  /** The call that is being made: what reaches a lane meanwhile is of it. */
  current: Call | null = null
  readonly open = new Set<Call>()
  readonly #byWrite = new WeakMap<Write, Call>()
  /** By client and key, in the order in which they took effect. */
  readonly #taken = new Map<string, Call[]>()
  readonly #time: VirtualTime
  #count = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  begin(actor: string, key: string | null, text: string, process: Call['process']): Call {
    const id = ++this.#count
    const call = new Call(id, actor, key, `${actor}#${id} ${text}`, this.#time.now, process)
    this.open.add(call)
    this.current = call
    return call
  }

  /** Where a call was superseded: the point at which a later one of its key and client took effect. */
  successor({ actor, key, id }: Call): number | null {
    const own = key === null ? [] : this.#taken.get(`${actor}/${key}`)
    const cleared = this.#taken.get(`${actor}/`)
    const orders = [own, cleared].flatMap((calls) => calls?.find((call) => call.id > id)?.order ?? [])
    return orders.length === 0 ? null : Math.min(...orders)
  }

  /** A call took effect. */
  took(call: Call, order: number, existed: boolean): void {
    call.order = order
    call.existed = existed
    const place = `${call.actor}/${call.key ?? ''}`
    const calls = this.#taken.get(place)
    if (calls === undefined) this.#taken.set(place, [call])
    else calls.push(call)
  }

  bind(write: Write, call: Call): void {
    this.#byWrite.set(write, call)
  }

  of(write: Write): Call | undefined {
    return this.#byWrite.get(write)
  }
}
