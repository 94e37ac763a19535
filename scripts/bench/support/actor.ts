/** Processes that do jobs for the bench: each measurement has its own heap and event loop. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

// biome-ignore lint/suspicious/noExplicitAny: each job has arguments of its own
type Jobs = Record<string, (...args: any[]) => unknown>

export interface Actor<J extends Jobs> {
  /** Has the process do a job; resolves to its result. */
  call<N extends keyof J & string>(job: N, ...args: Parameters<J[N]>): Promise<Awaited<ReturnType<J[N]>>>
  stop(): Promise<void>
}

/** The compiled actors; see tsconfig.json beside them. */
const compiled = join(__dirname, '../dist/scripts/bench/actors')
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts `actors/<name>.ts` in a process of its own. */
export function startActor<J extends Jobs>(name: string): Actor<J> {
  const execArgv = ['--expose-gc', ...profiling(name)]
  const child = fork(join(compiled, `${name}.js`), { execArgv, serialization: 'advanced' })
  running.add(child)
  let failed: Error | undefined
  const waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>()
  child.on('message', ({ id, value, error }: { id: number; value: never; error?: string }) => {
    if (error === undefined) waiting.get(id)?.resolve(value)
    else waiting.get(id)?.reject(new Error(`${name}: ${error}`))
    waiting.delete(id)
  })
  child.on('exit', (code, signal) => {
    running.delete(child)
    failed = new Error(`${name} ended: ${code ?? signal}`)
    for (const { reject } of waiting.values()) reject(failed)
  })
  let calls = 0
  return {
    call: (job, ...args) =>
      new Promise((resolve, reject) => {
        if (failed) return reject(failed)
        waiting.set(++calls, { resolve, reject })
        child.send({ id: calls, job, args })
      }),
    async stop() {
      if (failed) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** The other side: does jobs until the bench disconnects. */
export function serve<J extends Jobs>(jobs: J): J {
  process.on('message', async ({ id, job, args }: { id: number; job: string; args: unknown[] }) => {
    try {
      process.send?.({ id, value: await jobs[job]?.(...args) })
    } catch (error) {
      process.send?.({ id, error: (error as Error).stack })
    }
  })
  process.on('disconnect', () => process.exit())
  return jobs
}

/** Milliseconds on a clock that all processes of the machine share. */
export const sharedNow = () => Number(process.hrtime.bigint()) / 1e6

/** How long each of so many calls takes, one after the other (ms). */
export async function timesOf(count: number, call: (i: number) => PromiseLike<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = sharedNow()
    await call(i)
    times.push(sharedNow() - start)
  }
  return times
}

/** With `MEMIS_PROFILE=dir`, each actor writes a CPU profile there. */
function profiling(name: string): string[] {
  const dir = process.env.MEMIS_PROFILE
  return dir ? ['--cpu-prof', '--cpu-prof-dir', dir, '--cpu-prof-name', `${name}-${Date.now()}.cpuprofile`] : []
}
