/** Members in this process and in others, asked alike. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Member, type Report, type Spec, type Status } from './member'

/** What one asks of a member, wherever it is. */
export interface Handle {
  readonly spec: Spec
  readonly isForked: boolean
  status(): Promise<Status>
  contents(): Promise<[string, unknown][][]>
  report(): Promise<Report>
  write(on: boolean): Promise<void>
  touch(): Promise<boolean>
  resubscribe(): Promise<void>
  /** Of a process: closes its client, and waits for it to end by itself. Resolves to its last words. */
  close(): Promise<{ report: Report; violations: readonly string[] }>
}

export class Local implements Handle {
  readonly isForked = false
  readonly member: Member

  private constructor(readonly spec: Spec) {
    this.member = new Member(spec)
  }

  static async start(spec: Spec): Promise<Local> {
    const local = new Local(spec)
    await local.member.start()
    return local
  }

  status = async () => this.member.status()
  contents = async () => this.member.contents()
  report = async () => this.member.report()
  write = (on: boolean) => this.member.write(on)
  touch = () => this.member.touch()
  resubscribe = () => this.member.resubscribe()

  async close() {
    await this.member.close()
    return { report: this.member.report(), violations: this.member.violations }
  }
}

/** How long a process whose client is closed may take to end by itself (ms). */
const patience = 10_000

export class Forked implements Handle {
  readonly isForked = true
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #answers = new Map<number, (answer: { value?: unknown; error?: string }) => void>()
  #asked = 0
  #output = ''

  private constructor(readonly spec: Spec) {
    const file = join(__dirname, 'child.ts')
    this.#process = fork(file, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-5000)
      })
    }
    this.#process.on('message', ({ id, ...answer }: { id: number; value?: unknown; error?: string }) => {
      this.#answers.get(id)?.(answer)
      this.#answers.delete(id)
    })
    this.#ended = once(this.#process, 'exit')
    this.#ended.then(() => {
      for (const answer of this.#answers.values()) answer({ error: `the process has ended: ${this.#output}` })
    })
  }

  static async start(spec: Spec): Promise<Forked> {
    const forked = new Forked(spec)
    await forked.#ask('start', spec)
    return forked
  }

  status = () => this.#ask<Status>('status')
  contents = () => this.#ask<[string, unknown][][]>('contents')
  report = () => this.#ask<Report>('report')
  write = (on: boolean) => this.#ask<void>('write', on)
  touch = () => this.#ask<boolean>('touch')
  resubscribe = () => this.#ask<void>('resubscribe')

  async close() {
    const last = await this.#ask<{ report: Report; violations: string[] }>('close')
    this.#process.disconnect()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, patience, 'late')
    })
    const how = await Promise.race([this.#ended, late])
    clearTimeout(timer)
    const { violations } = last
    if (how === 'late') {
      violations.push(`W7: ${this.spec.name}: its process does not end ${patience} ms after close()`)
      this.#process.kill('SIGKILL')
    } else if ((how as unknown[])[0] !== 0) {
      violations.push(`crash: ${this.spec.name}: its process ended with ${how}: ${this.#output}`)
    }
    return last
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  #ask<R>(what: string, argument?: unknown): Promise<R> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as R)
        else reject(new Error(`${this.spec.name}: ${error}`))
      })
      if (!this.#process.connected) this.#answers.get(id)?.({ error: `the process has ended: ${this.#output}` })
      else this.#process.send({ id, what, argument })
    })
  }
}
