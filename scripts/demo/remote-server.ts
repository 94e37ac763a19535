/** The demo's side of a server in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Complaint } from './complaint'
import type { Item } from './records'
import type { Place, Report, Server } from './server'
import type { Answer, Order } from './server-process'

type Call = { resolve(value: unknown): void; reject(error: Error): void }
type WithoutId<O> = O extends unknown ? Omit<O, 'id'> : never

/** A process that is asked to end and does not is ended after so many ms. */
const patience = 3000

export class RemoteServer implements Server {
  readonly #child: ChildProcess
  readonly #url: string
  readonly #place: Place
  readonly #calls = new Map<number, Call>()
  #lastId = 0
  #ending = false
  #stderr = ''

  /** `lost` is called if the process ends by itself. */
  constructor(name: string, url: string, place: Place, report: (report: Report) => void, lost: (error: Error) => void) {
    this.#url = url
    this.#place = place
    // Whatever it printed would stand in the middle of the picture.
    this.#child = fork(join(__dirname, 'server-process.ts'), { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.stderr?.on('data', (chunk) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-2000)
    })
    this.#child.on('message', (answer: Answer) => {
      if ('reports' in answer) for (const one of answer.reports) report(one)
      else this.#settle(answer)
    })
    this.#child.on('error', lost)
    this.#child.on('exit', (code, signal) => {
      const error = new Complaint(
        `The process of server ${name} ended (${signal ?? `code ${code}`}). ${this.#stderr}`.trim(),
        1,
      )
      for (const call of this.#calls.values()) call.reject(error)
      this.#calls.clear()
      if (!this.#ending) lost(error)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async start(): Promise<void> {
    await this.#ask({ order: 'start', url: this.#url, place: this.#place })
  }

  async set(key: string, item: Item, ttl?: number): Promise<void> {
    await this.#ask({ order: 'set', key, item, ttl })
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#ask({ order: 'delete', key })) as boolean
  }

  async contents(): Promise<[string, Item][]> {
    return (await this.#ask({ order: 'contents' })) as [string, Item][]
  }

  async end(): Promise<void> {
    this.#ending = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#ask({ order: 'end' }).catch(() => {})
    const timer = new AbortController()
    await Promise.race([gone, sleep(patience, undefined, { signal: timer.signal })]).finally(() => timer.abort())
    this.#child.kill('SIGKILL')
    await gone
  }

  #ask(order: WithoutId<Order>): Promise<unknown> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#child.send({ ...order, id }, (error) => {
        if (error && this.#calls.delete(id)) reject(error)
      })
    })
  }

  #settle(answer: Exclude<Answer, { reports: Report[] }>): void {
    const call = this.#calls.get(answer.id)
    this.#calls.delete(answer.id)
    if ('error' in answer) call?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }))
    else call?.resolve(answer.value)
  }
}
