/** The suites catch what a transport can do wrong: each fault breaks one thing, and a case says what is wrong. */
import * as assert from 'node:assert/strict'
import { suite } from 'uvu'
import { apiConformance, type ConformanceOptions, transportConformance } from '../../src/conformance'
import { MemisError } from '../../src/transport-kit'
import { MemoryHub } from '../../src/transports/memory/hub'
import { MemoryTransport } from '../../src/transports/memory/transport'
import { memory } from '../transports/memory-store'
import { conditions } from './faults/conditions'
import { type Fault, faulty, type Plant } from './faults/fault'
import { following, leftTimers } from './faults/following'
import { merging } from './faults/merging'
import { writing } from './faults/writing'

const faults: readonly Fault[] = [...writing, ...conditions, ...merging, ...following]

interface Case {
  readonly title: string
  run(): Promise<void>
}

/** The cases of a suite on hubs whose transports have the fault. */
function casesOf(name: Fault['suite'], plant: Plant, patience: number): Case[] {
  const cases: Case[] = []
  const test = Object.assign((title: string, run: () => Promise<void>) => void cases.push({ title, run }), {
    skip() {},
  })
  const options: ConformanceOptions = {
    ...{ name: 'broken', test, patience, hooks: memory.hooks as ConformanceOptions['hooks'] },
    setup() {
      const hub = new MemoryHub()
      const shared = new Map<string, unknown>()
      return { hub, transport: () => faulty({ intact: new MemoryTransport(hub), hub, shared }, plant) }
    },
  } as ConformanceOptions
  const { log } = console
  console.log = () => {}
  try {
    if (name === 'transport') transportConformance(options)
    else apiConformance(options)
  } finally {
    console.log = log
  }
  return cases
}

const failureOf = ({ run }: Case): Promise<Error | undefined> =>
  run().then(
    () => undefined,
    (error) => error,
  )

const test = suite('broken transports')

interface Caught {
  readonly title: string
  readonly error: Error
}

/** The first case that notices a fault; undefined if none does. */
async function catchFault({ suite, cases, plant }: Fault): Promise<Caught | undefined> {
  const chosen = casesOf(suite, plant, 2000).filter(({ title }) => title.startsWith(cases))
  assert.notEqual(chosen.length, 0, `no title of the ${suite} suite begins with ${cases}`)
  for (const each of chosen) {
    const error = await failureOf(each)
    if (error !== undefined) return { title: each.title, error }
  }
  return undefined
}

/** Most cases wait: several faults at once, except for cases that look at what is of the whole process. */
const isAlone = ({ cases }: Fault) => cases.startsWith('W7')

const catches = new Map<Fault, Promise<Caught | undefined>>()
for (let i = 0, before: Promise<unknown>[] = []; i < faults.length; i += 8) {
  const gate = Promise.allSettled(before)
  before = faults.slice(i, i + 8).flatMap((each) => {
    if (isAlone(each)) return []
    const caught = gate.then(() => catchFault(each))
    caught.catch(() => {}) // its test tells
    catches.set(each, caught)
    return [caught]
  })
}

for (const each of [...faults].sort((a, b) => Number(isAlone(a)) - Number(isAlone(b)))) {
  test(`a transport that ${each.does} fails at ${each.cases}`, async () => {
    const caught = await (catches.get(each) ?? catchFault(each))
    assert.ok(caught, 'no case has noticed')
    // If nothing works at all, the first case fails, and all others because of it.
    const error = (caught.error.cause as Error | undefined) ?? caught.error
    const [message = ''] = error.message.split('\n')
    console.log(`# ${each.does}\n    ${caught.title}\n    ${message.slice(0, 150)}`)
    // A message names what is wrong, and not only that something took too long.
    assert.ok(error instanceof assert.AssertionError || error instanceof MemisError, error.stack)
    assert.doesNotMatch(message, /the case was not done/)
  })
}

for (const name of ['transport', 'api'] as const) {
  test(`the ${name} suite passes in the same harness if nothing is broken`, async () => {
    const cases = casesOf(name, () => ({}), 20_000)
    assert.ok(cases.length > 80, `${cases.length} cases`)
    for (const each of cases) {
      const failure = await failureOf(each)
      assert.equal(failure, undefined, `${each.title}: ${failure?.stack}`)
    }
  })
}

test('there are at least 60 faults, each with a name of its own', () => {
  assert.ok(faults.length >= 60, `${faults.length}`)
  const names = faults.map(({ does }) => does)
  assert.deepEqual(names, [...new Set(names)])
})

test.after(() => {
  for (const timer of leftTimers) clearInterval(timer)
})
test.run()
