/** Members in this process and in others, behind one interface. */
import { Member, type Report, type Spec, type Status } from './member'
import { Process } from './process'

/** The requests to a member, wherever it runs. */
export interface Handle {
  readonly spec: Spec
  readonly isForked: boolean
  status(): Promise<Status>
  contents(): Promise<[string, unknown][][]>
  report(): Promise<Report>
  write(on: boolean): Promise<void>
  touch(): Promise<boolean>
  resubscribe(): Promise<void>
  /** Closes its client; if it is a process, waits for it to end by itself. Resolves to its last report. */
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

export class Forked implements Handle {
  readonly isForked = true
  readonly #process = new Process('child.ts')

  private constructor(readonly spec: Spec) {}

  static async start(spec: Spec): Promise<Forked> {
    const forked = new Forked(spec)
    await forked.#process.ask('start', spec)
    return forked
  }

  status = () => this.#process.ask<Status>('status')
  contents = () => this.#process.ask<[string, unknown][][]>('contents')
  report = () => this.#process.ask<Report>('report')
  write = (on: boolean) => this.#process.ask<void>('write', on)
  touch = () => this.#process.ask<boolean>('touch')
  resubscribe = () => this.#process.ask<void>('resubscribe')
  kill = () => this.#process.kill()
  pause = () => this.#process.pause()
  resume = () => this.#process.resume()

  async close() {
    const { report, violations } = await this.#process.ask<{ report: Report; violations: string[] }>('close')
    const wrong = await this.#process.end()
    return { report, violations: wrong === null ? violations : [...violations, `${this.spec.name}: ${wrong}`] }
  }
}
