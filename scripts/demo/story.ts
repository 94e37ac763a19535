/** What happens in the demo, step by step. A step is over when every server has really told what it is about. */
import { Complaint } from './complaint'
import { type Cues, list } from './cues'
import { differences } from './differences'
import { type Item, labelOf, type Records } from './records'
import type { Server } from './server'
import type { Seat, Stage } from './stage'
import { count } from './text'
import type { Theatre } from './theatre'

export interface Pace {
  /** How long a step stays for reading (ms). */
  read: number
  /** Over how long the loading is spread (ms), so that it can be watched. */
  loading: number
  /** Of the items that expire (s). */
  ttls: readonly number[]
}

export const slow: Pace = { read: 1400, loading: 1300, ttls: [2, 3, 4] }
export const fast: Pace = { read: 50, loading: 0, ttls: [0.4, 0.8, 1.2] }

export const stepCount = 8

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

  /** @returns the closing line. @throws Complaint with exit code 1 where something is not as it should be */
  async tell(): Promise<string> {
    const [a, b, c, d] = this.stage.seats as [Seat, Seat, Seat, Seat]
    await this.#open([a, b, c])
    await this.#load(a)
    await this.#update(b)
    await this.#expire(c)
    await this.#delete(a)
    await this.#join(d)
    await this.#add(d)
    return this.#compare()
  }

  async #open(seats: Seat[]): Promise<void> {
    this.stage.begin(`Servers ${list(seats)} subscribe to the same collection. It is still empty.`)
    const ms = await this.cues.time(async () => {
      await this.#start(seats)
    })
    await this.#end(`All three are live after ${ms}${this.#boot(seats[0])}.`)
  }

  async #load(writer: Seat): Promise<void> {
    const entries = [...this.records.items]
    const { loading } = this.pace
    const items = count(entries.length, 'item')
    this.stage.begin(`Server ${writer.name} sets ${items}. The others get each of them without asking.`)
    const waveSize = loading === 0 ? 250 : Math.min(250, Math.ceil(entries.length / 50))
    const ms = await this.cues.time(async () => {
      const began = performance.now()
      for (let at = 0; at < entries.length; at += waveSize) {
        const wave = entries.slice(at, at + waveSize)
        await Promise.all(wave.map(([key, item]) => this.#set(writer, key, item)))
        await this.cues.pause(began + (loading * (at + wave.length)) / entries.length - performance.now())
      }
      await this.cues.until(`${items}`, (seat) => seat.size === entries.length)
    })
    await this.#end(`${items} in every server${loading > 0 ? '' : ` after ${ms}`}.`)
  }

  async #update(writer: Seat): Promise<void> {
    const { cues } = this
    const key = this.#pick('NLD', 0.6)
    this.stage.begin(`Server ${writer.name} changes one item, ${this.#named(key)}: its note is now "hi!".`)
    await cues.pause(this.pace.read * 0.4)
    const item = { ...this.#expected.get(key), note: 'hi!' }
    const ms = await cues.time(async () => {
      await Promise.all([cues.told('set', key), this.#set(writer, key, item)])
    })
    await this.#end(`${ms} later every server has it in its own memory.`)
  }

  async #expire(writer: Seat): Promise<void> {
    const { stage, pace } = this
    const items = pace.ttls.map((ttl, i) => ({ key: this.#free(`flash-${i + 1}`), ttl }))
    const keys = items.map(({ key }) => key)
    const seconds = `${pace.ttls.slice(0, -1).join(', ')} and ${pace.ttls.at(-1)}`
    stage.begin(`Server ${writer.name} sets ${items.length} items that live ${seconds} s. Each server counts down.`)
    const sets = items.map(async ({ key, ttl }) => {
      await this.#set(writer, key, { note: `${ttl} s` }, ttl)
      stage.countdowns.push({ key, ttl, setAt: performance.now(), gone: [] })
    })
    await Promise.all([this.cues.told('expire', ...keys), ...sets])
    for (const key of keys) this.#expected.delete(key)
    stage.stored = this.#expected.size
    const late = stage.countdowns.flatMap(({ setAt, ttl, gone }) => gone.map(({ at }) => at - setAt - ttl * 1000))
    await this.#end(`All are gone everywhere, by each server's own clock, ${within(Math.max(...late))} of their time.`)
    stage.countdowns = []
  }

  async #delete(writer: Seat): Promise<void> {
    const { stage, cues } = this
    const key = this.#pick('ATA', 0.3)
    stage.begin(`Server ${writer.name} deletes one item, ${this.#named(key)}.`)
    await cues.pause(this.pace.read * 0.4)
    const ms = await cues.time(async () => {
      const written = this.#write(writer, `delete ${key}`, (server) => server.delete(key))
      await Promise.all([cues.told('delete', key), written])
    })
    this.#expected.delete(key)
    stage.stored = this.#expected.size
    await this.#end(`${ms} later it is gone everywhere; each server has told its last contents.`)
  }

  async #join(late: Seat): Promise<void> {
    this.stage.begin(`Server ${late.name} starts only now. It gets all that is there, then the news.`)
    await this.cues.pause(this.pace.read * 0.4)
    const ms = await this.cues.time(async () => {
      await this.#start([late])
    })
    await this.#end(`Server ${late.name} has caught up after ${ms}${this.#boot(late)}: ${count(late.size, 'item')}.`)
  }

  async #add(writer: Seat): Promise<void> {
    const { cues } = this
    const key = this.#free('hello')
    this.stage.begin(`Server ${writer.name} sets a new item, ${key}: every server may write.`)
    await cues.pause(this.pace.read * 0.4)
    const ms = await cues.time(async () => {
      await Promise.all([cues.told('set', key), this.#set(writer, key, { name: `from ${writer.name}` })])
    })
    await this.#end(`${ms} later every server has it in its own memory.`)
  }

  async #compare(): Promise<string> {
    const seats = this.stage.present
    this.stage.begin('Are all equal? Each item is compared, with the store and with what was set.')
    const held = seats.map(async (seat) => ({ who: `server ${seat.name}`, items: await serverOf(seat).contents() }))
    const store = this.theatre.stored().then((items) => ({ who: 'the store', items }))
    const all = await this.cues.heed(Promise.all([...held, store]))
    const faults = all.flatMap(({ who, items }) => {
      return differences(this.#expected, new Map(items)).map((difference) => `  ${who}: ${difference}`)
    })
    if (faults.length > 0) throw new Complaint(`The replicas are NOT equal:\n${faults.slice(0, 20).join('\n')}`, 1)
    this.stage.end(`${seats.length} replicas and the store: no difference.`)
    return `All ${seats.length} replicas are equal: ${count(this.#expected.size, 'item')}, compared one by one.`
  }

  async #start(seats: Seat[]): Promise<void> {
    const started = seats.map((seat) => this.cues.heed(this.theatre.start(seat)))
    await Promise.all([this.cues.until('become live', (seat) => seat.state === 'live'), ...started])
  }

  #boot(seat: Seat | undefined): string {
    return seat?.pid === undefined ? '' : ', the start of a process included'
  }

  async #end(result: string): Promise<void> {
    this.stage.end(result)
    await this.cues.pause(this.pace.read)
  }

  async #set(writer: Seat, key: string, item: Item, ttl?: number): Promise<void> {
    await this.#write(writer, `set ${key}`, (server) => server.set(key, item, ttl))
    this.#expected.set(key, JSON.parse(JSON.stringify(item))) // through JSON, which makes 0 of -0
    this.stage.stored = this.#expected.size
  }

  #write<R>(writer: Seat, what: string, write: (server: Server) => Promise<R>): Promise<R> {
    this.stage.lastWrite = `${writer.name}: ${what}`
    writer.wroteAt = performance.now()
    return this.cues.heed(write(serverOf(writer)))
  }

  /** The key to show something with: a known one, or one somewhere in the user's own records. */
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

/** Of a seat whose server was started. */
const serverOf = (seat: Seat): Server => seat.server as Server

const within = (ms: number) => `within ${Math.max(1, Math.ceil(ms))} ms`
