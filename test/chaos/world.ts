/** A real server and its members, each behind a proxy of its own, and what is known of those that have left. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../simulation/random'
import { startProxy, type TcpProxy } from '../support/proxy'
import type { Writer } from './book'
import type { Mode } from './follower'
import { Forked, type Handle, Local } from './handle'
import { readJournal } from './journal'
import type { Report, Spec } from './member'
import type { ChaosStore } from './store'

export interface MemberAt {
  readonly handle: Handle
  readonly proxy: TcpProxy
  forgetful: boolean
}

const forkedMembers = 3
const localMembers = 1

export class World {
  readonly random: Random
  readonly members: MemberAt[] = []
  /** Those that no fault of this round has chosen yet. */
  free: MemberAt[] = []
  /** How often the store lost everything. */
  losses = 0
  /** How often it was replaced by an older copy of itself, which loses nothing if nothing was written since. */
  rollbacks = 0
  readonly violations: string[] = []
  readonly trace: string[] = []
  readonly reports: Report[] = []
  /** Writes what all replicas must receive, on a link without faults. */
  prober!: Local
  readonly #settings: Record<string, unknown> & { writeTimeout: number; maxPending: number }
  readonly #pause: number
  readonly #gone: { readonly spec: Spec; readonly forgetful: boolean }[] = []
  readonly #dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-chaos-'))
  readonly #start = performance.now()
  #made = 0

  constructor(
    seed: number,
    readonly mode: Mode,
    readonly store: ChaosStore,
  ) {
    this.random = new Random(seed)
    const { random } = this
    this.#settings = {
      livenessTimeout: random.pick([800, 1500]),
      writeTimeout: random.pick([1000, 4000, 10_000]),
      auditInterval: random.pick([200, 1000, 2000]),
      maxPending: random.pick([8, 100_000, 100_000]),
      // A replica that was away for longer restores nothing.
      retention: mode === 'lost' ? 600_000 : random.pick(store.retentions),
      dataLoss: mode === 'accept' ? 'accept' : 'restore',
    }
    this.#pause = random.pick([20, 60, 200])
  }

  async begin(): Promise<void> {
    this.tell(`${this.mode}, ${JSON.stringify(this.#settings)}, pause ${this.#pause}`)
    this.prober = await Local.start(this.#spec('prober', this.store.server.port))
    await this.prober.member.makeCounters()
    const forked = Array.from({ length: forkedMembers + localMembers }, (_, i) => i < forkedMembers)
    await Promise.all(forked.map((each) => this.enter(each)))
  }

  /** One more member, in a process of its own or in this one. */
  async enter(isForked: boolean): Promise<void> {
    const name = `m${++this.#made}`
    const spec = (port: number) => this.#spec(name, port)
    const proxy = await startProxy(this.store.server.port)
    const handle = await (isForked ? Forked.start(spec(proxy.port)) : Local.start(spec(proxy.port)))
    this.members.push({ handle, proxy, forgetful: false })
    await handle.write(true)
  }

  /** Chooses a member that no other fault of this round has. */
  take(fits: (member: MemberAt) => boolean): MemberAt | undefined {
    const found = this.free.filter(fits)
    if (found.length === 0) return undefined
    const member = this.random.pick(found)
    this.free.splice(this.free.indexOf(member), 1)
    return member
  }

  async kill(member: MemberAt): Promise<void> {
    await (member.handle as Forked).kill()
    await this.#left(member, true)
  }

  async close(member: MemberAt): Promise<void> {
    const { violations, report } = await member.handle.close()
    this.reports.push(report)
    for (const violation of violations) this.fail(violation)
    await this.#left(member, true)
  }

  /** Everybody who ever wrote. */
  writers(): Writer[] {
    const present = this.members.map(({ handle, forgetful }) => ({ spec: handle.spec, forgetful }))
    return [...this.#gone, ...present, { spec: this.prober.spec, forgetful: false }].map(({ spec, forgetful }) => ({
      name: spec.name,
      entries: readJournal(spec.journal),
      forgetful,
    }))
  }

  fail(violation: string): void {
    if (this.violations.includes(violation)) return
    this.violations.push(violation)
    this.tell(`VIOLATED ${violation}`)
  }

  tell(line: string): void {
    this.trace.push(`${((performance.now() - this.#start) / 1000).toFixed(2)} ${line}`)
  }

  async end(): Promise<void> {
    for (const { handle, proxy } of this.members) {
      if (handle instanceof Forked) await handle.kill()
      await proxy.close()
    }
    await this.store.stop()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #left(member: MemberAt, forgetful: boolean): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1)
    this.#gone.push({ spec: member.handle.spec, forgetful })
    await member.proxy.close()
  }

  #spec(name: string, port: number): Spec {
    return {
      name,
      seed: this.random.int(2 ** 31),
      mode: this.mode,
      client: { ...this.#settings, ...this.store.clientOptions(port) },
      journal: join(this.#dir, name),
      pause: this.#pause,
    }
  }
}
