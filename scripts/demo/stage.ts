/** What the audience sees: the servers, what they have told so far, and what happens just now. */
import type { FreshnessState } from '../../src'
import type { Change, Report, Server } from './server'

export interface Told {
  what: 'snapshot' | 'set' | 'expire' | 'delete' | 'fault'
  text: string
  detail: string
  at: number
}

export interface Seat {
  readonly name: string
  server: Server | null
  /** Of a process of its own. */
  pid: number | undefined
  /** `away` before it was started. */
  state: FreshnessState | 'away'
  size: number
  /** The newest first. */
  readonly told: Told[]
  /** When it last wrote and when it last heard of a change: ms by the clock of `performance`. */
  wroteAt: number
  heardAt: number
}

export interface Countdown {
  readonly key: string
  readonly ttl: number
  /** When the store had taken it. */
  readonly setAt: number
  /** Who has told its end, and when. */
  readonly gone: { name: string; at: number }[]
}

/** Draws the stage, or writes down what happens on it. */
export interface View {
  open(stage: Stage): void
  /** A step begins: `stage.caption` says which. */
  step(): void
  report(seat: Seat, report: Report): void
  /** A step is over: `stage.result` says what came of it. */
  result(): void
  close(): void
}

const longestLog = 40

export class Stage {
  step = 0
  caption = ''
  result = ''
  /** How many items the store holds, by what it has confirmed. */
  stored = 0
  lastWrite = ''
  countdowns: Countdown[] = []
  readonly seats: Seat[]
  readonly #view: View
  readonly #waiting = new Set<() => void>()

  /** `total` is how many items there will be, `steps` how many steps. */
  constructor(
    view: View,
    readonly title: string,
    readonly store: string,
    readonly total: number,
    readonly steps: number,
    names: readonly string[],
  ) {
    this.#view = view
    this.seats = names.map((name) => {
      return { name, server: null, pid: undefined, state: 'away', size: 0, told: [], wroteAt: -1e9, heardAt: -1e9 }
    })
    view.open(this)
  }

  get present(): Seat[] {
    return this.seats.filter((seat) => seat.server !== null)
  }

  begin(caption: string): void {
    this.step++
    this.caption = caption
    this.result = ''
    this.#view.step()
  }

  end(result: string): void {
    this.result = result
    this.#view.result()
  }

  /** A server tells something. */
  hear(seat: Seat, report: Report): void {
    const at = performance.now()
    if (report.what !== 'fault') seat.size = report.size
    switch (report.what) {
      case 'state':
        seat.state = report.state
        break
      case 'fault':
        note(seat, { what: 'fault', text: report.message, detail: '', at })
        break
      default:
        this.#change(seat, report, at)
    }
    this.#view.report(seat, report)
    for (const check of this.#waiting) check()
  }

  #change(seat: Seat, { what, key, detail, cause, size }: Change, at: number): void {
    seat.heardAt = at
    // The first contents are one thing that happens, not hundreds.
    if (cause === 'snapshot') {
      if (seat.told[0]?.what === 'snapshot') seat.told.shift()
      return note(seat, { what: 'snapshot', text: `of ${size}`, detail: '', at })
    }
    note(seat, { what, text: key, detail, at })
    if (what !== 'expire') return
    const countdown = this.countdowns.find((countdown) => countdown.key === key)
    // The store has no other way to tell us that it has one less.
    if (countdown?.gone.push({ name: seat.name, at }) === 1) this.stored--
  }

  /** Resolves as soon as something that was heard made `holds` true. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!holds()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
    })
  }
}

function note(seat: Seat, told: Told): void {
  seat.told.unshift(told)
  if (seat.told.length > longestLog) seat.told.pop()
}
