/** What the audience sees: the servers, what they have reported so far, and what happens now. */
import { now } from './clock'
import type { Report, SeatState, Server } from './server'

export interface Told {
  what: 'snapshot' | 'set' | 'expire' | 'delete' | 'stale' | 'restored' | 'fault'
  text: string
  detail: string
  at: number
}

/** One of the servers. All times are ms on the clock of all processes. */
export interface Seat {
  readonly name: string
  server: Server | null
  /** Of a process of its own. */
  pid: number | undefined
  state: SeatState
  size: number
  /** Its link to the store is cut. */
  isCut: boolean
  /** The newest first. */
  readonly told: Told[]
  wroteAt: number
  heardAt: number
  /** How many changes it has caught up with since it was stale last. */
  changes: number
}

export interface Countdown {
  readonly key: string
  /** Seconds. */
  readonly ttl: number
  /** When the store accepted it. */
  readonly setAt: number
  /** Whose replica it expired in, and when. */
  readonly gone: { name: string; at: number }[]
}

/** Draws the stage, or prints what happens on it. */
export interface View {
  open(stage: Stage): void
  /** A step begins: `stage.caption` says what happens. */
  step(): void
  report(seat: Seat, report: Report): void
  /** A step is over: `stage.result` says how it went. */
  result(): void
  close(): void
}

const longestLog = 40

export class Stage {
  step = 0
  caption = ''
  result = ''
  /** How many items the store holds, as far as it has said so. */
  stored = 0
  storeState: 'up' | 'gone' | 'empty' = 'up'
  lastWrite = ''
  countdowns: Countdown[] = []
  /** Each with its value. */
  figures: [what: string, value: string][] = []
  readonly seats: Seat[]
  readonly #view: View
  readonly #waiting = new Set<() => void>()

  /** `total`: how many items there will be. `steps`: how many steps. */
  constructor(
    view: View,
    readonly title: string,
    /** The name of the store. */
    readonly store: string,
    readonly total: number,
    readonly steps: number,
  ) {
    this.#view = view
    this.seats = ['A', 'B', 'C', 'D'].map((name) => ({
      ...{ name, server: null, pid: undefined, state: 'away', size: 0, isCut: false, told: [] },
      ...{ wroteAt: -1e9, heardAt: -1e9, changes: 0 },
    }))
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

  /** A server reports something. */
  hear(seat: Seat, report: Report): void {
    if (report.what !== 'fault') seat.size = report.size
    switch (report.what) {
      case 'stale':
        seat.state = 'stale'
        seat.changes = 0
        note(seat, { what: 'stale', text: `serves ${report.size}`, detail: '', at: report.at })
        break
      case 'ready':
        seat.state = 'live'
        if (report.lost > 0) {
          note(seat, { what: 'restored', text: `${report.restored} keys`, detail: '', at: report.at })
        }
        break
      case 'fault':
        note(seat, { what: 'fault', text: report.message, detail: '', at: now() })
        break
      default:
        this.#change(seat, report)
    }
    this.#view.report(seat, report)
    for (const check of this.#waiting) check()
  }

  #change(seat: Seat, { what, key, detail, cause, size, at }: Extract<Report, { key: string }>): void {
    seat.heardAt = at
    if (cause === 'resync') seat.changes++
    // The first contents are one thing that happens, not hundreds.
    if (cause === 'snapshot') {
      if (seat.told[0]?.what === 'snapshot') seat.told.shift()
      return note(seat, { what: 'snapshot', text: `of ${size}`, detail: '', at })
    }
    note(seat, { what, text: key, detail, at })
    if (what !== 'expire') return
    const countdown = this.countdowns.find((countdown) => countdown.key === key)
    // The store does not say that it has one item less.
    if (countdown?.gone.push({ name: seat.name, at }) === 1) this.stored--
  }

  /** Resolves as soon as a report made `holds` true. */
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
