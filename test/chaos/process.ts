/** Another process of Node.js: takes requests; can be stopped, killed, or left to end by itself. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

interface Question {
  readonly id: number
  readonly what: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** A process that has nothing left to do must end within so many ms. */
const patience = 10_000

export class Process {
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #answers = new Map<number, (answer: Omit<Answer, 'id'>) => void>()
  #asked = 0
  #output = ''

  constructor(file: string) {
    this.#process = fork(join(__dirname, file), {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-5000)
      })
    }
    this.#process.on('message', (answer: Answer) => {
      this.#answers.get(answer.id)?.(answer)
      this.#answers.delete(answer.id)
    })
    this.#ended = once(this.#process, 'exit')
    this.#ended.then(() => {
      for (const answer of this.#answers.values()) answer({ error: `the process has ended: ${this.#output}` })
    })
  }

  ask<R>(what: string, argument?: unknown): Promise<R> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as R)
        else reject(new Error(error))
      })
      if (!this.#process.connected) this.#answers.get(id)?.({ error: `the process has ended: ${this.#output}` })
      else this.#process.send({ id, what, argument })
    })
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

  /** Lets go of it, and waits for it to end. Resolves to what was wrong with its end, or null. */
  async end(): Promise<string | null> {
    this.#process.disconnect()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, patience, 'late')
    })
    const how = await Promise.race([this.#ended, late])
    clearTimeout(timer)
    if (how === 'late') {
      this.#process.kill('SIGKILL')
      return `W7: a process does not end ${patience} ms after close()`
    }
    return (how as unknown[])[0] === 0 ? null : `crash: a process ended with ${how}: ${this.#output}`
  }
}

/** The other side: answers requests, and lets the process end by itself once the parent has let go of it. */
export function serve(answers: Record<string, (argument: never) => unknown>): void {
  process.on('message', async ({ id, what, argument }: Question) => {
    const run = async () => answers[what]?.(argument as never)
    const answer: Answer = await run().then(
      (value) => ({ id, value }),
      (error: Error) => ({ id, error: error.stack ?? '' }),
    )
    // The parent may be gone.
    process.send?.(answer, () => {})
  })
  // A parent that was killed does not disconnect. One that let go of this process still exists.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && process.exit(1), 1000).unref()
}
