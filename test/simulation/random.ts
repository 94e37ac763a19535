/** Randomness that a seed decides. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** From 0 up to, but not including, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0 up to, but not including, `end`. */
  int(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(list: readonly A[]): A {
    return list[this.int(list.length)] as A
  }

  /** One of the choices, each as likely as its weight says. */
  weighted<A>(choices: readonly (readonly [weight: number, choice: A])[]): A {
    let sum = 0
    for (const [weight] of choices) sum += weight
    let rest = this.next() * sum
    for (const [weight, choice] of choices) {
      rest -= weight
      if (rest < 0) return choice
    }
    return (choices.at(-1) as readonly [number, A])[1]
  }
}

/**
 * Runs with `Math.random` and `crypto.randomUUID` decided by the seed as well: the core takes its jitter from the one
 * and its ids from the other.
 */
export async function withSeededGlobals<R>(seed: number, traced: boolean, run: () => Promise<R>): Promise<R> {
  const { random } = Math
  const { stackTraceLimit } = Error
  const { randomUUID } = crypto
  const seeded = new Random(seed ^ 0x5eed)
  let ids = 0
  Math.random = () => seeded.next()
  crypto.randomUUID = () => {
    const id = (++ids).toString(16).padStart(8, '0')
    return `${id}-0000-4000-8000-000000000000`
  }
  if (!traced) Error.stackTraceLimit = 0
  try {
    return await run()
  } finally {
    Math.random = random
    Error.stackTraceLimit = stackTraceLimit
    crypto.randomUUID = randomUUID
  }
}
