/** Compares the sessions of a client with the store: all of them regularly, one at a time if a notification gives reason to. */
import type { Clock } from '../../core/clock'
import { MemisError } from '../../core/errors'
import { repeat } from '../../core/repeat'
import type { Host } from '../../core/transport'
import type { Server } from './route'
import { auditScript } from './scripts'
import type { Session } from './session'
import type { Found } from './session-context'

/** So many collections are compared in one call: it holds the server for less than a millisecond. */
const most = 100
/** Each so many rounds, tombstones that are due and lost bookkeeping are looked for as well. */
const deepEvery = 3

export class Auditor {
  readonly #host: Host
  readonly #sessions: ReadonlySet<Session>
  readonly #cancel: () => void
  /** Sessions with a question in flight. */
  readonly #asked = new Set<Session>()
  /** Servers of which an audit is in flight. */
  readonly #running = new Set<Server>()
  #round = 0

  constructor(clock: Clock, host: Host, sessions: ReadonlySet<Session>) {
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

  #audit(): void {
    const isDeep = this.#round++ % deepEvery === 0
    const byServer = new Map<Server, Session[]>()
    for (const session of this.#sessions) {
      const { server } = session.route
      if (server === null) continue
      const some = byServer.get(server)
      if (some === undefined) byServer.set(server, [session])
      else some.push(session)
    }
    for (const [server, sessions] of byServer) void this.#auditServer(server, sessions, isDeep)
  }

  /** A server that does not answer holds up no other. */
  async #auditServer(server: Server, sessions: Session[], isDeep: boolean): Promise<void> {
    // One round at a time: of answers that come together, the second would take a notification on its way for lost.
    if (this.#running.has(server)) return
    this.#running.add(server)
    while (sessions.length > 0) {
      const some = sessions.splice(0, most)
      await this.#compare(some, isDeep, false, server)
      for (const session of some) if (session.route.mayEvict) await session.scrub()
    }
    this.#running.delete(server)
  }

  /** `server`: several collections of it are compared at once. Otherwise there is one, which the route finds. */
  async #compare(
    sessions: readonly Session[],
    isDeep: boolean,
    isQuestion: boolean,
    server: Server | null = null,
  ): Promise<void> {
    const asked = sessions.flatMap((session) => {
      const state = session.state
      return state === undefined ? [] : [{ session, state }]
    })
    const [first] = asked
    if (first === undefined) return
    try {
      const names = asked.flatMap(({ state: { keys } }) => [keys.meta, keys.log, keys.ttl])
      const places = asked.flatMap(({ state: { current, n, sign } }) => [current, String(n), sign])
      // A node of a cluster takes the keys of several slots only if they are not declared.
      const areDeclared = server?.isClustered !== true
      const args = [
        String(this.#host.retention),
        isDeep ? '1' : '',
        areDeclared ? '' : JSON.stringify(names),
        ...places,
      ]
      const { route } = first.session
      const run = (server ?? route).run(auditScript, areDeclared ? names : [], args)
      const [id, ...differing] = (await run) as [string, ...[number, string, string, string, string, number][]]
      // The script could not tell: the proof must come from the master all the same.
      if (id === '-') await (server ?? route.server)?.checkRole()
      const found = new Map(
        differing.map(([i, error, current, head, sign, hasOverdue]): [number, Found] => {
          return [i, { error, current, head: Number(head), sign, hasOverdue: hasOverdue === 1 }]
        }),
      )
      for (const [i, { session, state }] of asked.entries()) {
        // The slot may have moved to another node: the route finds out.
        if (elsewhere.test(found.get(i)?.error ?? '') && server !== null)
          void this.#compare([session], isDeep, isQuestion)
        else session.audited(state, found.get(i), isQuestion)
      }
    } catch (error) {
      const failure = error as MemisError
      // Without an answer nothing is proved, and the core notices; the heartbeat finds a dead link.
      if (failure.code !== 'DISCONNECTED') this.#host.report(failure)
    }
  }
}

/** A node says so of keys that it does not have. */
const elsewhere = /non local key|slot which is not served|MOVED|ASK|cluster is down/i

/** The server refused to look at one collection. */
export const auditRefused = (words: string) => new MemisError('STORE_REFUSED', `Redis refused: ${words}`)
