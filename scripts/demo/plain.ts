/** The demo as lines of text, for whoever is no terminal: each step, and what each server has told in it. */
import { list } from './cues'
import type { Report } from './server'
import type { Seat, Stage, View } from './stage'
import { printable } from './text'

const mostKeys = 3

export class Plain implements View {
  #stage: Stage | undefined
  /** What each server has told in this step: the keys (or messages), by kind. */
  readonly #told = new Map<Seat, Map<string, string[]>>()

  open(stage: Stage): void {
    this.#stage = stage
    console.log(`memis demo: ${stage.title}\nstore: ${stage.store}`)
  }

  step(): void {
    this.#told.clear()
    if (this.#stage === undefined) return
    const { step, steps, caption } = this.#stage
    console.log(`\n${step}/${steps}  ${printable(caption)}`)
  }

  report(seat: Seat, report: Report): void {
    if (report.what === 'state') return this.#note(seat, report.state, '')
    if (report.what === 'fault') return this.#note(seat, 'error', report.message)
    const { what, key, detail, cause } = report
    const kind = cause === 'live' ? what : `${what} (${cause})`
    this.#note(seat, kind, what === 'set' && detail !== '' ? `${key} (${detail})` : key)
  }

  result(): void {
    this.#summarize()
    console.log(`     ${this.#stage?.result}`)
  }

  /** What was told in a step that did not come to its end is worth knowing, too. */
  close(): void {
    this.#summarize()
  }

  #summarize(): void {
    const seats = new Map<string, Seat[]>()
    for (const seat of this.#stage?.present ?? []) {
      const told = this.#told.get(seat)
      if (told === undefined) continue
      const summary = [...told].map(([kind, texts]) => summaryOf(kind, texts)).join('; ')
      seats.set(summary, [...(seats.get(summary) ?? []), seat])
    }
    for (const [summary, same] of seats) console.log(`     ${list(same)}: ${printable(summary)}`)
    this.#told.clear()
  }

  #note(seat: Seat, kind: string, text: string): void {
    const told = this.#told.get(seat) ?? new Map<string, string[]>()
    this.#told.set(seat, told)
    const texts = told.get(kind) ?? []
    told.set(kind, texts)
    texts.push(text)
  }
}

function summaryOf(kind: string, texts: string[]): string {
  if (texts.every((text) => text === '')) return kind
  return texts.length > mostKeys ? `${kind} of ${texts.length} items` : `${kind} ${texts.join(', ')}`
}
