/** The demo, step by step. A step ends once every server has really reported what the step is about. */
import { now } from './clock'
import { Complaint } from './complaint'
import { type Cues, inWords, list } from './cues'
import { differences } from './differences'
import { measure } from './figures'
import { type Item, labelOf, type Records } from './records'
import type { Server, Written } from './server'
import type { Seat, Stage } from './stage'
import { count } from './text'
import type { Theatre } from './theatre'

export interface Pace {
  /** How long a step stays on the screen for reading (ms). */
  readonly read: number
  /** Over how long the first writes are spread (ms), so that people can watch them. */
  readonly loading: number
  /** When the expiring items expire (s). */
  readonly ttls: readonly number[]
  /** How long the figures are measured (ms). */
  readonly measuring: number
}

export const slow: Pace = { read: 2200, loading: 1500, ttls: [5, 6, 7], measuring: 4000 }
export const fast: Pace = { read: 50, loading: 0, ttls: [0.8, 1, 1.2], measuring: 800 }

export const stepCount = 9

export class Story {
  /** What every server must hold in the end. */
  readonly #expected = new Map<string, Item>()

  constructor(
    readonly stage: Stage,
    readonly records: Records,
    readonly theatre: Theatre,
    readonly cues: Cues,
    readonly pace: Pace,
  ) {}

  /** Returns the closing line. @throws Complaint with exit code 1 if something is not as it should be */
  async tell(): Promise<string> {
    const [a, b, c, d] = this.stage.seats as [Seat, Seat, Seat, Seat]
    await this.#load([a, b, c], a)
    await this.#change([a, b, c], b)
    const expiring = await this.#cutOff(a, c)
    const missed = await this.#expire([a, b, c], a, expiring)
    await this.#return(c, missed)
    const { written, key } = await this.#killStore([a, b, c], b)
    await this.#restore([a, b], c, written, key)
    const closing = await this.#compare(c, d)
    await this.#measure([a, b, c, d])
    return closing
  }

  async #load(seats: Seat[], writer: Seat): Promise<void> {
    const entries = [...this.records.items]
    const { loading } = this.pace
    const items = count(entries.length, 'item')
    this.stage.begin(`Servers ${list(seats)} subscribe to one collection. Server ${writer.name} writes ${items}.`)
    await this.#start(seats)
    const began = now()
    const waveSize = loading === 0 ? 250 : Math.min(250, Math.ceil(entries.length / 50))
    for (let at = 0; at < entries.length; at += waveSize) {
      const wave = entries.slice(at, at + waveSize)
      await Promise.all(wave.map(([key, item]) => this.#set(writer, key, item)))
      await this.cues.pause(began + (loading * (at + wave.length)) / entries.length - now())
    }
    await this.cues.until(seats, `hold ${items}`, (seat) => seat.size === entries.length)
    await this.#end('Each server holds all of them in its own memory: reading needs no network.')
  }

  async #change(seats: Seat[], writer: Seat): Promise<void> {
    const key = this.#pick('NLD', 0.6)
    this.stage.begin(`Server ${writer.name} changes one item, ${this.#named(key)}: its note is "hi!" from now on.`)
    await this.cues.pause(this.pace.read * 0.4)
    const { calledAt } = await this.#set(writer, key, { ...this.#expected.get(key), note: 'hi!' })
    const toldAt = await this.cues.told(seats, 'set', [key], calledAt)
    await this.#end(`${inWords(toldAt - calledAt)} later every server has it in its memory, and has emitted an event.`)
  }

  /** Returns the keys of items that expire soon. */
  async #cutOff(writer: Seat, victim: Seat): Promise<string[]> {
    const { stage, pace, cues } = this
    const seconds = `${pace.ttls.slice(0, -1).join(', ')} and ${pace.ttls.at(-1)} s`
    stage.begin(
      `Server ${writer.name} sets items that expire after ${seconds}. Then the link of server ${victim.name} is cut.`,
    )
    const keys = pace.ttls.map((_, i) => this.#free(`flash-${i + 1}`))
    for (const [i, ttl] of pace.ttls.entries()) {
      const key = keys[i] as string
      const { acceptedAt } = await this.#set(writer, key, { note: `${ttl} s` }, ttl)
      stage.countdowns.push({ key, ttl, setAt: acceptedAt, gone: [] })
    }
    await cues.until(stage.present, 'hold them', (seat) => seat.size === this.#expected.size)
    this.theatre.cut(victim)
    await cues.until([victim], 'notice', (seat) => seat.state === 'stale')
    await this.#end(`Server ${victim.name} says that it is stale, and still serves all ${count(victim.size, 'item')}.`)
    return keys
  }

  /** Returns how many items were changed meanwhile. */
  async #expire(seats: Seat[], writer: Seat, expiring: readonly string[]): Promise<number> {
    const { stage } = this
    stage.begin(`Others go on writing. The items expire everywhere by themselves, also where no link is left.`)
    const expired = this.cues.told(seats, 'expire', expiring, 0)
    expired.catch(() => {}) // awaited below
    const deleted = this.#pick('ATA', 0.3)
    const others = [...this.#expected.keys()].filter((key) => key !== deleted && !expiring.includes(key))
    const changed = others.slice(0, 5)
    for (const [i, key] of changed.entries()) {
      await this.#set(writer, key, { ...this.#expected.get(key), note: `change ${i + 1}` })
    }
    await this.#delete(writer, deleted)
    await expired
    for (const key of expiring) this.#expected.delete(key)
    stage.stored = this.#expected.size
    const late = stage.countdowns.flatMap(({ setAt, ttl, gone }) =>
      gone.map(({ at }) => Math.abs(at - setAt - ttl * 1000)),
    )
    await this.#end(`All expired in all three servers, within ${inWords(Math.max(...late))} of their time.`)
    stage.countdowns = []
    return changed.length
  }

  async #return(victim: Seat, missed: number): Promise<void> {
    const { theatre } = this
    this.stage.begin(`The link of server ${victim.name} is back. It missed ${count(missed, 'change')} and a delete.`)
    const before = theatre.received(victim)
    await theatre.heal(victim)
    await this.cues.until([victim], 'catch up', (seat) => seat.state === 'live')
    const after = theatre.received(victim)
    const size = JSON.stringify([...this.#expected.values()]).length
    const sent = before === undefined || after === undefined ? '' : ` (${inKB(after - before)}, not ${inKB(size)})`
    await this.#end(`It was sent the ${count(victim.changes, 'change')} that it missed${sent}, and is live again.`)
  }

  /** Returns a write that has to wait, and its key. */
  async #killStore(seats: Seat[], writer: Seat): Promise<{ written: Promise<Written>; key: string }> {
    const { stage, theatre } = this
    const isReal = theatre.received(writer) !== undefined
    stage.begin(
      isReal
        ? 'All links are cut, and what the demo has in the store is deleted: as if the store was killed, and lost everything.'
        : 'The store is killed, and loses everything.',
    )
    for (const seat of seats) theatre.cut(seat)
    stage.storeState = 'gone'
    await this.cues.until(seats, 'notice', (seat) => seat.state === 'stale')
    await theatre.loseAll()
    stage.stored = 0
    const key = this.#free('hello')
    const written = this.#set(writer, key, { name: `from ${writer.name}`, note: 'written while the store was away' })
    written.catch(() => {}) // awaited by the next step
    await this.#end(`All servers are stale, and serve all items. A write of server ${writer.name} waits.`)
    return { written, key }
  }

  async #restore(seats: Seat[], away: Seat, written: Promise<Written>, key: string): Promise<void> {
    const { stage, theatre } = this
    stage.begin(`The store is back, and empty. Server ${away.name} is still cut off.`)
    stage.storeState = 'empty'
    await this.cues.pause(this.pace.read * 0.4)
    const since = now()
    await Promise.all(seats.map((seat) => theatre.heal(seat)))
    await this.cues.until(seats, 'be live again', (seat) => seat.state === 'live' && !seat.isCut)
    await written
    await this.cues.until(seats, `get ${key}`, (seat) => seat.size === this.#expected.size)
    stage.storeState = 'up'
    stage.stored = this.#expected.size
    const took = inWords(now() - since)
    const items = count(this.#expected.size - 1, 'item')
    await this.#end(`${list(seats)} put back ${items} in ${took}. The waiting write was accepted.`)
  }

  async #compare(away: Seat, late: Seat): Promise<string> {
    this.stage.begin(`Server ${away.name} returns, and server ${late.name} starts only now. Are all equal?`)
    const returned = this.theatre.heal(away)
    await Promise.all([returned, this.#start([late])])
    const seats = this.stage.present
    await this.cues.until(seats, 'be live', (seat) => seat.state === 'live' && seat.size === this.#expected.size)
    const held = seats.map(async (seat) => ({ who: `server ${seat.name}`, items: await serverOf(seat).contents() }))
    const store = this.theatre.stored().then((items) => ({ who: 'the store', items }))
    const all = await this.cues.heed(Promise.all([...held, store]))
    const faults = all.flatMap(({ who, items }) =>
      differences(this.#expected, new Map(items)).map((difference) => `  ${who}: ${difference}`),
    )
    if (faults.length > 0) throw new Complaint(`The replicas are NOT equal:\n${faults.slice(0, 20).join('\n')}`, 1)
    await this.#end(`${seats.length} replicas and the store, compared item by item: no difference.`)
    return `All ${seats.length} replicas are equal: ${count(this.#expected.size, 'item')}, compared one by one.`
  }

  async #measure(seats: Seat[]): Promise<void> {
    this.stage.begin('Some figures of this machine, just now.')
    await measure(seats, this.stage, this.cues, this.pace.measuring)
    await this.#end('`npm run bench` compares such figures with code that is written by hand.')
  }

  async #start(seats: Seat[]): Promise<void> {
    const started = seats.map((seat) => this.cues.heed(this.theatre.start(seat)))
    await Promise.all([this.cues.until(seats, 'become live', (seat) => seat.state === 'live'), ...started])
  }

  async #end(result: string): Promise<void> {
    this.stage.end(result)
    await this.cues.pause(this.pace.read)
  }

  async #set(writer: Seat, key: string, item: Item, ttl?: number): Promise<Written> {
    // As JSON has it, which makes 0 of -0.
    this.#expected.set(key, JSON.parse(JSON.stringify(item)))
    return this.#write(writer, `set ${key}`, (server) => server.set(key, item, ttl))
  }

  async #delete(writer: Seat, key: string): Promise<Written> {
    this.#expected.delete(key)
    return this.#write(writer, `delete ${key}`, (server) => server.delete(key))
  }

  async #write(writer: Seat, what: string, write: (server: Server) => Promise<Written>): Promise<Written> {
    const { stage } = this
    stage.lastWrite = `${writer.name}: ${what}`
    writer.wroteAt = now()
    const written = await this.cues.heed(write(serverOf(writer)))
    stage.stored = this.#expected.size
    return written
  }

  /** A key to show something with: a known one, or one somewhere in the user's own records. */
  #pick(wanted: string, part: number): string {
    const keys = [...this.#expected.keys()]
    return this.#expected.has(wanted) ? wanted : (keys[Math.floor(keys.length * part)] as string)
  }

  /** A key that none of the user's records has. */
  #free(key: string): string {
    return this.#expected.has(key) ? this.#free(`${key}+`) : key
  }

  #named(key: string): string {
    const label = labelOf(this.#expected.get(key) ?? {})
    return label === '' || label === key ? key : `${key} (${label})`
  }
}

/** The server of a seat that was started. */
const serverOf = (seat: Seat): Server => seat.server as Server

const inKB = (bytes: number) => `${(bytes / 1000).toLocaleString('en', { maximumFractionDigits: 1 })} KB`
