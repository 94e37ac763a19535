/** Compares the sessions of a client with the store: all of them regularly, one at a time if a notification gives reason to. */
import type { Clock } from '../../core/clock'
import { MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { repeat } from './repeat'
import type { Route } from './route'
import { auditScript } from './scripts'
import type { Session } from './session'
import type { Found } from './session-context'

/** So many collections are compared in one call: it holds the server for less than a millisecond. */
const most = 100
/** Each so many rounds, tombstones that are due and lost bookkeeping are looked for as well. */
const deepEvery = 3

export class Auditor {
  readonly #route: Route
  readonly #host: Host
  readonly #sessions: ReadonlySet<Session>
  readonly #cancel: () => void
  /** Sessions with a question in flight. */
  readonly #asked = new Set<Session>()
  #isRunning = false
  #round = 0
  #most = most

  constructor(route: Route, clock: Clock, host: Host, sessions: ReadonlySet<Session>) {
    this.#route = route
    this.#host = host
    this.#sessions = sessions
    this.#cancel = repeat(clock, host.auditInterval, () => this.#audit())
  }

  stop(): void {
    this.#cancel()
  }

  /** One cheap question about one collection. */
  async ask(session: Session): Promise<void> {
    if (this.#asked.has(session)) return
    this.#asked.add(session)
    try {
      await this.#compare([session], false, true)
    } finally {
      this.#asked.delete(session)
    }
  }

  async #audit(): Promise<void> {
    // One round at a time: of answers that come together, the second would take a notification on its way for lost.
    if (this.#isRunning) return
    this.#isRunning = true
    const isDeep = this.#round++ % deepEvery === 0
    const sessions = [...this.#sessions]
    while (sessions.length > 0) {
      const some = sessions.splice(0, this.#most)
      await this.#compare(some, isDeep, false)
      if (this.#route.mayEvict) for (const session of some) await session.scrub()
    }
    this.#isRunning = false
  }

  async #compare(sessions: readonly Session[], isDeep: boolean, isQuestion: boolean): Promise<void> {
    const asked = sessions.flatMap((session) => {
      const state = session.state
      return state === undefined ? [] : [{ session, state }]
    })
    if (asked.length === 0) return
    try {
      const keys = asked.flatMap(({ state: { keys } }) => [keys.meta, keys.log, keys.ttl])
      const args = asked.flatMap(({ state: { current, n, sign } }) => [current, String(n), sign])
      const run = this.#route.run(auditScript, keys, [String(this.#host.retention), isDeep ? '1' : '', ...args])
      const [server, ...differing] = (await run) as [string, ...[number, string, string, string, string, number][]]
      // The script could not tell: the proof must come from the master all the same.
      if (server === '-') await this.#route.checkRole()
      const found = new Map(
        differing.map(([i, error, current, head, sign, hasOverdue]): [number, Found] => {
          return [i, { error, current, head: Number(head), sign, hasOverdue: hasOverdue === 1 }]
        }),
      )
      for (const [i, { session, state }] of asked.entries()) session.audited(state, found.get(i), isQuestion)
    } catch (error) {
      const failure = error as MemisError
      if (failure.message.includes('CROSSSLOT') && this.#most > 1) {
        // A cluster, even of one node, has no script look at more than one slot.
        this.#most = 1
        for (const session of sessions) await this.#compare([session], isDeep, isQuestion)
        return
      }
      // Without an answer nothing is proved, and the core notices; the heartbeat finds a dead link.
      if (failure.code !== 'DISCONNECTED') this.#host.report(failure)
    }
  }
}

/** The server refused to look at one collection. */
export const auditRefused = (words: string) => new MemisError('STORE_REFUSED', `Redis refused: ${words}`)
