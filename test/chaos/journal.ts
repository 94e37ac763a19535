/** What a writer called and how each call ended. A call is on file before it is made, so that a killed process leaves a complete journal. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** `once`: a set on the condition that there is no item. `pair`: a transaction of two sets. */
export type Kind = 'set' | 'delete' | 'clear' | 'increment' | 'update' | 'once' | 'pair'

export interface Entry {
  readonly collection: string
  /** Empty for a clear. */
  readonly key: string
  readonly kind: Kind
  /** The number of the item that was set. */
  readonly n: number
  readonly ttl: number | null
  readonly at: number
  /** `ok`, or the error's `stored`; undefined if the call never settled. */
  outcome?: 'ok' | 'no' | 'unknown'
  settledAt?: number
}

export class Journal {
  readonly #file: number
  #count = 0

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  called(entry: Entry): number {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`)
    return this.#count++
  }

  settled(id: number, outcome: Entry['outcome']): void {
    writeSync(this.#file, `${JSON.stringify([id, outcome, Date.now()])}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

export function readJournal(path: string): Entry[] {
  const entries: Entry[] = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.startsWith('{')) entries.push(JSON.parse(line))
    else if (line.endsWith(']')) {
      const [id, outcome, settledAt] = JSON.parse(line)
      Object.assign(entries[id] as Entry, { outcome, settledAt })
    }
  }
  return entries
}
