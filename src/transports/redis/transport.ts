/** The transport to Redis 7.0 or newer, or Valkey. */
import { type Clock, systemClock } from '../../core/clock'
import { MemisError, withStored } from '../../core/errors'
import { isEpochId } from '../../core/history'
import type {
  Batch,
  CollectionId,
  Cursor,
  Entry,
  Host,
  Lack,
  Merged,
  Outcome,
  Revision,
  Sink,
  Transport,
  Watch,
} from '../../core/transport'
import { Auditor } from './auditor'
import { type At, Collections } from './collections'
import { decodeAnswer, decodeEntry, decodeMerged, decodeOutcomes } from './decode'
import { encodeBatch, encodeLoneSet, encodeMerge, type LoneSet, loneSetOf, wholeMs } from './encode'
import { says } from './errors'
import { collectionKeys, keysOf } from './names'
import { notificationAfter } from './notification'
import type { RedisOptions } from './options'
import type { Routes } from './route'
import { type Routing, routingOf } from './routing'
import { clearScript, deleteScript, keepScript, mergeScript, type Script, setScript, writeScript } from './scripts'
import { Session } from './session'
import { parseCurrent, type StoreRecord } from './store-record'

export type { RedisOptions }

/** Deletes of a clear that one call of a script makes. */
const clearStep = 1000
/** For so long after a full script the shortened one may rely on what that one has checked (ms). */
const checkedFor = 1000

class RedisTransport implements Transport {
  readonly name = 'redis'
  readonly lacks: readonly Lack[] = []
  readonly clock: Clock
  /** Redis takes strings of 512 MB, and a notification holds the items of a batch. */
  readonly maxItemBytes = 256 * 1024 * 1024
  /** The error says why there is no routing. */
  readonly #routing: Routing | MemisError
  readonly #sessions = new Set<Session>()
  readonly #collections = new Collections()
  /** The secrets of the epochs that this client begins are made of it. */
  readonly #seed = crypto.randomUUID() + crypto.randomUUID()
  #host!: Host
  #routes: Routes | null = null
  #auditor: Auditor | null = null

  constructor(routing: Routing | MemisError, clock: Clock) {
    this.#routing = routing
    this.clock = clock
  }

  open(host: Host): void {
    this.#host = host
    const routing = this.#routing
    if (routing instanceof MemisError) {
      // A promise job: fake timers replace queueMicrotask.
      Promise.resolve().then(() => host.down(routing))
      return
    }
    this.#routes = routing.open(this.clock, host, {
      up: () => {
        this.#auditor = new Auditor(this.clock, host, this.#sessions)
        host.up()
      },
      down: (error) => {
        this.#auditor?.stop()
        for (const session of [...this.#sessions]) session.fail(error)
        host.down(error)
      },
    })
  }

  async write(id: CollectionId, batch: Batch): Promise<readonly Outcome[]> {
    const at = this.#at(id)
    if (batch.writes[0]?.kind === 'clear') return [await this.#clear(at, batch)]
    const lone = loneSetOf(batch)
    const outcome = lone && this.#isHot(at) ? await this.#set(at, batch, lone) : undefined
    if (outcome !== undefined) return [outcome]
    const hasDeletes = batch.writes.some(({ kind }) => kind === 'delete')
    if (!batch.writes.some(({ kind }) => kind === 'set')) return this.#batch(at, batch, deleteScript)
    return this.#batch(at, batch, writeScript).catch((error) => {
      // Deletes make room.
      if (says(error, 'OOM') && hasDeletes && !batch.isAtomic) return this.#batch(at, batch, deleteScript, true)
      throw error
    })
  }

  async merge(id: CollectionId, base: Revision, entries: readonly Entry[]): Promise<readonly Merged[]> {
    const at = this.#at(id)
    const merged = new Map<Entry, Merged>()
    for (let rest = entries; rest.length > 0; rest = rest.filter((entry) => !merged.has(entry))) {
      const { items, args } = encodeMerge(at.keys.items, rest)
      const names = [...collectionKeys(at.keys), ...items]
      const head = [base.epoch, String(base.n), String(this.#host.maxItemBytes)]
      const reply = (await this.#run(at, mergeScript, names, [...head, ...args])) as string[]
      at.record.setHistory(reply[6] ?? '', reply[7] ?? '')
      const answer = decodeMerged(reply, at.record.history, () => {})
      at.record.learn(answer.head)
      for (const [i, each] of answer.merged.entries()) if (each !== undefined) merged.set(rest[i] as Entry, each)
    }
    return entries.map((entry) => merged.get(entry) as Merged)
  }

  watch(id: CollectionId, from: Cursor | null, sink: Sink): Watch {
    const at = this.#at(id)
    const { keys, record } = at
    const { clock } = this
    // A session of a cluster stays at one node.
    const route = (this.#routes as Routes).to(keys.channel)
    const context = {
      ...{ route, clock, host: this.#host, keys, record },
      claim: () => this.#claim({ record, route }),
      keep: (after = '') => this.#keep(at, after, record.epochIds),
      ask: () => void this.#auditor?.ask(session),
    }
    const session: Session = new Session(context, sink)
    this.#sessions.add(session)
    record.sessions++
    session.start(from)
    return {
      close: () => {
        if (this.#sessions.delete(session)) record.sessions--
        session.close()
      },
    }
  }

  async beginEpoch(id: CollectionId, after: string): Promise<boolean> {
    if (!isEpochId(after)) return false
    return this.#keep(this.#at(id), after, '').then(
      () => true,
      (error) => {
        if (says(error, 'MEMISEPOCH')) return false
        throw error
      },
    )
  }

  async close(): Promise<void> {
    this.#auditor?.stop()
    this.#routes?.close()
  }

  #at(id: CollectionId): At {
    const keys = keysOf(id, this.#routing instanceof MemisError ? 0 : this.#routing.database)
    // If the package is missing the link is never up, and nobody calls.
    return this.#collections.at(keys, this.#routes as Routes, this.#sessions.size)
  }

  async #batch(at: At, batch: Batch, script: Script, setsNothing = false): Promise<readonly Outcome[]> {
    const { keys, record } = at
    const { items, args } = encodeBatch(keys.items, batch, setsNothing)
    const names = [...collectionKeys(keys), keys.writer(batch.writer), ...items]
    const conflicts: (Entry | null)[] = []
    for (;;) {
      const head = [String(batch.sequence), this.#remember, String(conflicts.length), String(this.#host.maxItemBytes)]
      const reply = await this.#run(at, script, names, [...head, ...args])
      const [answer, age, told, isBehind, current, epochs] = reply as [string, string, string, number, string, string]
      record.setHistory(current, epochs)
      if (isBehind === 1) record.checked.until = 0
      const decoded = decodeAnswer(answer, age)
      if (age === '-') record.learn(decoded.head)
      this.#acknowledge(record, batch, decoded.epoch)
      const entries = JSON.parse(told) as unknown[]
      for (const each of entries) {
        conflicts.push(each === null ? null : decodeEntry(each, record.history, () => {}))
      }
      // Large ones come in several answers.
      const expected = decoded.codes.split('c').length - 1
      if (conflicts.length >= expected || entries.length === 0) return decodeOutcomes(decoded, batch, conflicts)
    }
  }

  /** Runs a script that writes, with the arguments that all of them are given. */
  async #run(at: At, script: Script, names: readonly string[], args: readonly string[]): Promise<unknown> {
    if (this.#host.readOnly) {
      throw new MemisError('READ_ONLY', 'the client was made with `readOnly: true`', { stored: 'no' })
    }
    const { keys, record, route } = at
    const { checked } = record
    const isFirst = checked.generation !== route.generation || this.clock.now() >= checked.until
    const { generation } = route
    const opening = [
      keys.channel,
      String(this.#host.retention),
      this.#seed,
      this.#claim(at),
      record.current?.text ?? '',
    ]
    try {
      const reply = await route.run(script, names, [...opening, isFirst ? '1' : '', ...args])
      if (isFirst) Object.assign(checked, { generation, until: this.clock.now() + checkedFor })
      route.proved()
      return reply
    } catch (error) {
      checked.until = 0
      if (says(error, 'MEMISBEHIND') && script !== keepScript) {
        // The caller's epoch is lost: the store is to begin one that sorts after it, before anything else is accepted.
        await this.#keep(at, record.newest.epoch, record.epochIds).catch(() => {})
      }
      throw error
    }
  }

  #claim({ record, route }: Pick<At, 'record' | 'route'>): string {
    // If the server removes keys by itself, a writer that is not known proves nothing.
    return record.claim(route.mayEvict ? Infinity : this.clock.now())
  }

  #acknowledge(record: StoreRecord, { writer, sequence }: Batch, epoch: string): void {
    record.acknowledge({ writer, sequence, epoch, until: this.clock.now() + Number(this.#remember) / 2 })
  }

  /** The store was checked a moment ago, and by this connection. */
  #isHot({ record, route }: At): boolean {
    const { checked, current, newest, common } = record
    if (checked.generation !== route.generation || this.clock.now() >= checked.until) return false
    return current !== null && newest.epoch === current.id && common === null
  }

  /** The outcome of a lone set; undefined if it is one for the full script. */
  async #set({ keys, record, route }: At, batch: Batch, write: LoneSet): Promise<Outcome | undefined> {
    const encoded = encodeLoneSet(write)
    const { current, newest } = record
    if (encoded === undefined || current === null) return undefined
    const ttl = write.ttlMs === null ? '0' : String(wholeMs(write.ttlMs))
    const names = [keys.meta, keys.log, keys.ttl, keys.writer(batch.writer), keys.items + write.key]
    const next = notificationAfter(newest, current, encoded.payload)
    const args = [
      ...[keys.channel, String(batch.sequence), current.text, String(newest.n), newest.sign, next.place, next.sign],
      ...[write.key, ttl, String(this.#host.retention), this.#remember, next.message, String(next.begins + 1)],
      next.digest,
    ]
    // Another node of a cluster has not been checked: it may lack what this client was told.
    const { generation } = record.checked
    const reply = await route.run(setScript, names, [...args, ...encoded.fields], generation).catch((error) => {
      record.checked.until = 0
      throw error
    })
    if (typeof reply !== 'string') {
      record.checked.until = 0
      return undefined
    }
    const [, , , n, , existed, , sign = '-'] = reply.split(' ')
    record.learn({ epoch: current.id, n: Number(n), sign })
    this.#acknowledge(record, batch, current.id)
    route.proved()
    return { epoch: current.id, n: Number(n), existed: existed === '1' }
  }

  async #clear(at: At, batch: Batch): Promise<Outcome> {
    const { keys, record } = at
    const names = [...collectionKeys(keys), keys.writer(batch.writer)]
    let existed = false
    for (let after = '0'; ; ) {
      const part = this.#run(at, clearScript, names, [String(batch.sequence), this.#remember, after, String(clearStep)])
      const reply = (await part.catch((error: MemisError) => {
        // Though it is refused, the parts before it were accepted.
        throw after === '0' ? error : withStored(error, 'unknown')
      })) as [string, string, string, number, string, string]
      const [epoch, reached, place, hadSome, head, sign] = reply
      record.learn({ epoch, n: Number(head), sign })
      existed ||= hadSome === 1
      this.#acknowledge(record, batch, epoch)
      if (place !== '') return { epoch, n: Number(place), existed }
      after = reached
    }
  }

  async #keep(at: At, after: string, ids: string): Promise<void> {
    const [current = '', epochs = ''] = (await this.#run(at, keepScript, collectionKeys(at.keys), [
      after,
      ids,
    ])) as string[]
    if (parseCurrent(current) !== null) at.record.setHistory(current, epochs)
  }

  /** How long a writer is remembered (ms). A batch may come late by as long as a connection holds it back: much longer than it may be retried. */
  get #remember(): string {
    return String(Math.max(600_000, 4 * this.#host.writeTimeout))
  }
}

/** @throws MemisError `INVALID_OPTION` */
export function redisTransport(options: Omit<RedisOptions, 'transport'>, clock: Clock = systemClock): Transport {
  return new RedisTransport(routingOf(options), clock)
}
