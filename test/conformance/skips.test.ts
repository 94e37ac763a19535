/** What a transport lacks is skipped aloud, with the reason, and nothing else is. */
import * as assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type ConformanceOptions, conformance } from '../../src/conformance'

const test = suite('skips')

/** Registers the suite and runs nothing; gives what was registered, skipped and printed. */
function register(options: Partial<ConformanceOptions>) {
  const [cases, skipped, printed]: string[][] = [[], [], []] as [string[], string[], string[]]
  const { log } = console
  console.log = (line) => printed?.push(line)
  try {
    conformance({
      name: 'store',
      test: Object.assign((title: string) => cases?.push(title), { skip: (title: string) => skipped?.push(title) }),
      setup: () => assert.fail('registering sets nothing up'),
      ...options,
    })
  } finally {
    console.log = log
  }
  return { cases, skipped, printed } as { cases: string[]; skipped: string[]; printed: string[] }
}

const all = register({}).cases

test('by default nothing is skipped, and every title begins with clauses and is there once', () => {
  const { cases, skipped, printed } = register({})
  assert.ok(cases.length > 100)
  assert.equal(new Set(cases).size, cases.length)
  for (const title of cases) assert.match(title, /^([NIRWEXKH]\d )+\S/)
  assert.deepEqual([skipped, printed], [[], []])
})

test('all clauses that an outage or less can show have cases', () => {
  const shown = new Set(all.flatMap((title) => title.match(/[NIRWEXKH]\d(?= )/g)))
  const areas = { N: 3, I: 4, R: 4, W: 7, E: 6, X: 5 }
  for (const [area, count] of Object.entries(areas)) {
    for (let i = 1; i <= count; i++) assert.ok(shown.has(`${area}${i}`), `${area}${i}`)
  }
  for (const clause of ['K1', 'K3', 'K4', 'K6', 'K8', 'H2']) assert.ok(shown.has(clause), clause)
})

test('the cases of a clause that is lacked are skipped, with the reason', () => {
  const reason = 'the store has no clock'
  const { cases, skipped, printed } = register({ lacks: [{ clause: 'X4', reason }] })
  const lacked = all.filter((title) => title.includes('X4 '))
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
    cases,
    all.filter((title) => !lacked.includes(title)),
  )
})

test('without an outage, the cases that take one are skipped, with the reason', () => {
  const { cases, skipped, printed } = register({ withoutOutage: 'it is a file' })
  assert.equal(cases.length + skipped.length, all.length)
  assert.equal(printed.length, skipped.length)
  for (const clause of ['K3', 'K4', 'K8']) assert.ok(skipped.some((title) => title.includes(`${clause} `)))
  for (const title of skipped) assert.match(title, /: it is a file$/)
})

test.run()
