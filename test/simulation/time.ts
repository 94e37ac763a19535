/** Virtual time: what is to happen, in order. Nothing happens by itself. */
import type { Clock } from '../../src/core/clock'
import type { Random } from './random'

/** Who can be stopped for a while, as a process whose event loop is busy: what comes for it is held. */
export interface Stallable {
  stalled: boolean
  readonly held: (() => void)[]
}

export interface Scheduled {
  readonly at: number
  readonly order: number
  readonly run: () => void
  readonly owner: Stallable | null
  cancelled: boolean
}

export class VirtualTime {
  now = 1000
  /** A binary heap by time, then by the order of the calls. */
  readonly #heap: Scheduled[] = []
  #order = 0

  /** Has something happen at a moment that is not over. */
  at(at: number, run: () => void, owner: Stallable | null = null): Scheduled {
    const scheduled = { at: Math.max(at, this.now), order: this.#order++, run, owner, cancelled: false }
    const heap = this.#heap
    let slot = heap.length
    while (slot > 0) {
      const parent = (slot - 1) >> 1
      if (!before(scheduled, heap[parent] as Scheduled)) break
      heap[slot] = heap[parent] as Scheduled
      slot = parent
    }
    heap[slot] = scheduled
    return scheduled
  }

  /** When the next thing happens. */
  get next(): number {
    while (this.#heap[0]?.cancelled) this.#pop()
    return this.#heap[0]?.at ?? Infinity
  }

  /** Has the next thing happen, or be held. */
  step(): void {
    if (this.next === Infinity) return
    const { at, run, owner } = this.#pop()
    this.now = Math.max(this.now, at)
    if (owner?.stalled) owner.held.push(run)
    else run()
  }

  #pop(): Scheduled {
    const heap = this.#heap
    const first = heap[0] as Scheduled
    const last = heap.pop() as Scheduled
    if (heap.length === 0) return first
    let slot = 0
    for (;;) {
      let child = 2 * slot + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++
      if (before(last, heap[child] as Scheduled)) break
      heap[slot] = heap[child] as Scheduled
      slot = child
    }
    heap[slot] = last
    return first
  }
}

const before = (a: Scheduled, b: Scheduled) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** The clock of one process. Its timers are those of Node.js: whole ms, one at least, and up to one too early. */
export class ProcessClock implements Clock {
  readonly timers = new Set<Scheduled>()
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #owner: Stallable

  constructor(time: VirtualTime, random: Random, owner: Stallable) {
    this.#time = time
    this.#random = random
    this.#owner = owner
  }

  now(): number {
    return this.#time.now
  }

  setTimeout(callback: () => void, ms: number): unknown {
    const wait = ms >= 1 && ms < 2 ** 31 ? Math.trunc(ms) : 1
    const run = () => {
      // It may have been cleared while it was held.
      if (!this.timers.delete(timer)) return
      callback()
    }
    const timer = this.#time.at(this.#time.now + wait - this.#random.next() * 0.9, run, this.#owner)
    this.timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as Scheduled)
    ;(timer as Scheduled).cancelled = true
  }
}

/** Ends when all promise jobs are done: the queue of `nextTick` has its turn only then. */
export const jobs = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
