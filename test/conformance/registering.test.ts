/** What the suites register: cases, skips with their reasons, checked hooks; and how a run with a broken store ends. */
import * as assert from 'node:assert/strict'
import { suite } from 'uvu'
import { apiConformance, type ConformanceOptions, type HookName, transportConformance } from '../../src/conformance'
import { MemisError } from '../../src/transport-kit'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { files } from '../example-transport/file-store'
import { memory } from '../transports/memory-store'

const test = suite('registering')

const suites = { transport: transportConformance, api: apiConformance } as const

/** Every hook there is. */
const hooks = Object.fromEntries(
  Object.keys({ ...memory.hooks, ...files.hooks, silence: 1 }).map((name) => [name, () => assert.fail(name)]),
)

interface Registered {
  readonly cases: { readonly title: string; run(): Promise<void> }[]
  readonly skipped: string[]
  readonly printed: string[]
}

/** Registers a suite and runs nothing. */
function register(name: keyof typeof suites, options: Partial<ConformanceOptions> = {}): Registered {
  const registered: Registered = { cases: [], skipped: [], printed: [] }
  const { cases, skipped, printed } = registered
  const { log } = console
  console.log = (line) => printed.push(line)
  try {
    suites[name]({
      name: 'store',
      test: Object.assign((title: string, run: () => Promise<void>) => void cases.push({ title, run }), {
        skip: (title: string) => void skipped.push(title),
      }),
      setup: () => assert.fail('registering sets nothing up'),
      hooks: hooks as ConformanceOptions['hooks'],
      ...options,
    } as ConformanceOptions)
  } finally {
    console.log = log
  }
  return registered
}

const titlesOf = ({ cases }: Registered) => cases.map(({ title }) => title)

for (const name of ['transport', 'api'] as const) {
  const all = titlesOf(register(name))

  test(`${name}: with all hooks nothing is skipped, and every title begins with clauses and is there once`, () => {
    const { skipped, printed } = register(name)
    assert.ok(all.length > 80, `${all.length} cases`)
    assert.deepEqual(all, [...new Set(all)])
    for (const title of all) assert.match(title, /^([A-Z]\d+ )+\S/)
    assert.deepEqual([skipped, printed], [[], []])
  })

  test(`${name}: the cases of a clause that is lacked are skipped, with the reason`, () => {
    const reason = 'the store has no clock'
    const { cases, skipped, printed } = register(name, { lacks: [{ clause: 'K7', reason }] })
    const lacked = all.filter((title) => /^([A-Z]\d+ )*K7 /.test(title))
    assert.ok(lacked.length > 0)
    assert.deepEqual(
      skipped,
      lacked.map((title) => `${title}: ${reason}`),
    )
    assert.deepEqual(
      printed,
      lacked.map((title) => `skip: store: ${title}: ${reason}`),
    )
    assert.deepEqual(
      cases.map(({ title }) => title),
      all.filter((title) => !lacked.includes(title)),
    )
  })

  test(`${name}: a case that takes a hook which is absent is skipped, and the hook is named`, () => {
    const { cases, skipped, printed } = register(name, { hooks: {} })
    assert.equal(cases.length + skipped.length, all.length)
    assert.equal(printed.length, skipped.length)
    for (const title of skipped) assert.match(title, /: no hook \w+ \([\w ]+\)$/)
    const named = new Set(skipped.map((title) => /no hook (\w+)/.exec(title)?.[1]))
    for (const hook of ['cut', 'lose', 'silence'] satisfies HookName[]) assert.ok(named.has(hook), hook)
  })
}

test('hooks are checked when a suite is registered', () => {
  const refusals: [object, RegExp][] = [
    [{ looseData() {} }, /no hook "looseData"; there are cut, silence, heal/],
    [{ lose: true }, /the hook lose is no function but true/],
    [{ cut() {} }, /the hooks cut and silence need the hook heal/],
  ]
  for (const [hooks, message] of refusals) {
    assert.throws(() => register('transport', { hooks }), { code: 'INVALID_OPTION', message })
  }
})

/** Runs all cases of a suite. */
async function run({ cases }: Registered): Promise<Error[]> {
  const failures: Error[] = []
  for (const { run } of cases) await run().catch((error) => failures.push(error))
  return failures
}

for (const name of ['transport', 'api'] as const) {
  test(`${name}: if nothing works at all, the first case fails within 2 s, and all others at once, with the reason`, async () => {
    /** A transport that never gets through. */
    class Deaf extends MemoryTransport {
      override open(host: Parameters<MemoryTransport['open']>[0]): void {
        setImmediate(() => host.down(new MemisError('DISCONNECTED', 'nobody answers at port 1')))
      }
      override async close(): Promise<void> {}
    }
    const registered = register(name, {
      hooks: memory.hooks as ConformanceOptions['hooks'],
      setup: () => ({ transport: () => new Deaf() }),
    })
    const started = performance.now()
    const failures = await run(registered)
    const took = performance.now() - started
    assert.ok(took < 3000, `it took ${took} ms`)
    assert.equal(failures.length, registered.cases.length)
    const [first, ...others] = failures
    assert.match(first?.message ?? '', /DISCONNECTED: nobody answers at port 1/)
    for (const { message } of others) {
      assert.match(message, /^not run, because this case failed: W1 /)
      assert.match(message, /nobody answers at port 1/)
    }
  })
}

test('after a few failed cases, the others no longer wait as long', async () => {
  /** A transport whose sessions are never live again once they were. */
  let sessions = 0
  class Forgetful extends MemoryTransport {
    override watch(...args: Parameters<MemoryTransport['watch']>) {
      return ++sessions > 2 ? { close() {} } : super.watch(...args)
    }
  }
  const registered = register('transport', {
    patience: 500,
    hooks: {},
    setup: () => ({ transport: () => new Forgetful() }),
  })
  const started = performance.now()
  const failures = await run(registered)
  const took = performance.now() - started
  assert.ok(failures.length > 30, `${failures.length} cases fail`)
  assert.ok(took < 6 * 3 * 500 + 50 * 3 * registered.cases.length, `it took ${took} ms`)
})

test.run()
