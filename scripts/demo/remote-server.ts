/** The demo's side of a server in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientOptions } from '../../src'
import { Complaint } from './complaint'
import type { Item } from './records'
import type { Place, Report, Server, Written } from './server'
import type { Answer, Order } from './server-process'

type Call = { resolve(value: unknown): void; reject(error: Error): void }
type WithoutId<O> = O extends unknown ? Omit<O, 'id'> : never

/** A process that was asked to end and does not is killed after so many ms. */
const patience = 3000

export interface RemoteOptions {
  readonly name: string
  /** Options for its client. */
  readonly client: ClientOptions
  /** The store itself. */
  readonly url: string
  readonly place: Place
  report(report: Report): void
  /** Called if the process ends by itself. */
  lost(error: Error): void
}

export class RemoteServer implements Server {
  readonly #child: ChildProcess
  readonly #options: RemoteOptions
  readonly #calls = new Map<number, Call>()
  #lastId = 0
  #isEnding = false
  #stderr = ''

  constructor(options: RemoteOptions) {
    const { name, report, lost } = options
    this.#options = options
    // Its output would appear in the middle of the picture.
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
      const how = signal ?? `code ${code}`
      const error = new Complaint(`The process of server ${name} ended (${how}). ${this.#stderr}`.trim(), 1)
      for (const call of this.#calls.values()) call.reject(error)
      this.#calls.clear()
      if (!this.#isEnding) lost(error)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async start(): Promise<void> {
    const { client, url, place } = this.#options
    await this.#ask({ order: 'start', options: client, url, place })
  }

  set = (key: string, item: Item, ttl?: number) => this.#ask<Written>({ order: 'set', key, item, ttl })
  delete = (key: string) => this.#ask<Written>({ order: 'delete', key })
  contents = () => this.#ask<[string, Item][]>({ order: 'contents' })
  flood = (count: number) => this.#ask<number>({ order: 'flood', count })
  arrived = (count: number) => this.#ask<number>({ order: 'arrived', count })
  readRate = () => this.#ask<number>({ order: 'readRate' })

  async end(): Promise<void> {
    this.#isEnding = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#ask({ order: 'end' }).catch(() => {})
    const timer = new AbortController()
    await Promise.race([gone, sleep(patience, undefined, { signal: timer.signal })]).finally(() => timer.abort())
    this.#child.kill('SIGKILL')
    await gone
  }

  #ask<R>(order: WithoutId<Order>): Promise<R> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: unknown) => void, reject })
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
