/** The programs of the pages, in processes of their own. */
import assert from 'node:assert'
import { type ChildProcess, spawn } from 'node:child_process'
import { type Server, startNats } from '../support/servers'
import { suite, within } from '../support/testing'
import { type Program, programs } from './pages'
import { openWorkshop, put, tsconfig } from './workshop'

export interface Running {
  readonly process: ChildProcess
  readonly output: string
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>
}

export function start(path: string): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig, NODE_V8_COVERAGE: '', NO_COLOR: '1' },
  })
  const running = {
    process: child,
    output: '',
    ended: new Promise<number | null>((resolve) => child.on('close', resolve)),
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      running.output += text
    })
  }
  return running
}

/** How the pages name a store. */
export const redisUrl = 'redis://localhost:6379'
export const natsUrl = 'nats://localhost:4222'

/**
 * Runs every program that is marked `run`, each with stores of its own, and compares what it prints with the page. `redis` starts
 * whatever is to serve under the usual URL of Redis.
 */
export function testPrograms(title: string, redis: () => Promise<Server>): ReturnType<typeof suite> {
  const test = suite(title)
  test.before(async () => openWorkshop())
  for (const program of programs.filter(({ runs }) => runs)) {
    test(`${program.page}:${program.line} runs`, () => run(program, { [redisUrl]: redis, [natsUrl]: startNats }))
  }
  return test
}

async function run(program: Program, stores: Readonly<Record<string, () => Promise<Server>>>): Promise<void> {
  const named = Object.entries(stores).filter(([url]) => program.code.includes(url))
  const servers = await Promise.all(named.map(async ([url, start]) => [url, await start()] as const))
  const running = start(put(program, Object.fromEntries(servers.map(([url, server]) => [url, server.url]))))
  try {
    assert.strictEqual(await within(running.ended, 40_000), 0, running.output)
    if (program.output !== undefined) assert.strictEqual(running.output, program.output)
  } finally {
    running.process.kill('SIGKILL')
    await Promise.all(servers.map(([, server]) => server.stop()))
  }
}
