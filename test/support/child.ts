/** Other processes of Node.js, and the messages between them and a test. */
import assert from 'node:assert'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** Another process of Node.js, which runs a file in `children` and answers requests. */
export class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<number | null>
  output = ''

  constructor(file: string, ...args: string[]) {
    this.#process = fork(join(__dirname, 'children', file), args, {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk
      })
    }
    this.#ended = once(this.#process, 'exit').then(([code]) => code)
  }

  // biome-ignore lint/suspicious/noExplicitAny: each request has its own answer
  async ask(question: string): Promise<any> {
    const answer = once(this.#process, 'message')
    this.#process.send(question)
    const ended = this.#ended.then((code) => assert.fail(`the process has ended with ${code}: ${this.output}`))
    const [value] = (await Promise.race([answer, ended])) as unknown[]
    return value
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Waits for the process to end by itself. */
  async end(): Promise<number | null> {
    return this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }
}

/** The other side: answers each request, one at a time, and ends with its parent. */
export function answer(answers: Record<string, () => unknown>): void {
  process.on('message', async (question: string) => process.send?.((await answers[question]?.()) ?? null))
  process.on('disconnect', () => process.exit())
}
