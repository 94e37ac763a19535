/** The demo as lines of text, if the output is no terminal: each step, and what each server has reported in it. */
import { list } from './cues'
import type { Report } from './server'
import type { Seat, Stage, View } from './stage'
import { printable } from './text'

const mostKeys = 3

export class Plain implements View {
  #stage: Stage | undefined
  /** What each server has reported in this step: the keys (or messages), by kind. */
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
    if (report.what === 'stale') return this.#note(seat, `stale, serves ${report.size} items`, '')
    if (report.what === 'ready') {
      const { lost, restored } = report
      return this.#note(seat, lost > 0 ? `live again, ${restored} of ${lost} lost keys restored` : 'live', '')
    }
    if (report.what === 'fault') return this.#note(seat, 'error', report.message)
    const { what, key, detail, cause } = report
    const kind = cause === 'live' ? what : `${what} (${cause})`
    this.#note(seat, kind, what === 'set' && detail !== '' ? `${key} (${detail})` : key)
  }

  result(): void {
    this.#summarize()
    for (const [what, value] of this.#stage?.figures ?? []) console.log(`     ${what}: ${value}`)
    console.log(`     ${this.#stage?.result}`)
  }

  /** The reports of a step that was interrupted are printed, too. */
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
