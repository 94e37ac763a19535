/** GUARANTEES.md: what counts as evidence, and that a failure prevents the page. */
import assert from 'node:assert'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import { clauses, shows } from '../../scripts/guarantees/clauses'
import { columnOf, evidence, render } from '../../scripts/guarantees/page'
import { chaosTransports, readReports } from '../../scripts/guarantees/reports'
import { apiConformance, transportConformance } from '../../src/conformance'

const test = suite('guarantees')
const root = resolve(__dirname, '../..')

test('every clause that a conformance suite names has a row', () => {
  const titles: string[] = []
  const register = (title: string) => titles.push(title)
  const options = {
    name: 'none',
    test: Object.assign(register, { skip: register }),
    setup: () => assert.fail('registering sets nothing up'),
  }
  const { log } = console
  console.log = () => {} // the suites print what they skip
  transportConformance(options)
  apiConformance(options)
  console.log = log
  const named = new Set(titles.flatMap((title) => /^(?:[A-Z]\d+ )+/.exec(title)?.[0].trim().split(' ') ?? []))
  assert.ok(named.size > 40, `${named.size} clauses`)
  assert.deepStrictEqual(
    [...named].filter((clause) => !(clause in clauses)),
    [],
  )
})

test('files that are said to show clauses exist, and so do the clauses', () => {
  for (const [file, named] of Object.entries(shows)) {
    assert.ok(existsSync(join(root, file)), file)
    for (const clause of named.split(' ')) assert.ok(clause in clauses, `${file}: ${clause}`)
  }
})

test('a test counts for the clauses at the beginning of its title, and for the store that it ran on', () => {
  assert.strictEqual(columnOf('test/transports/nats.test.ts', 'K1 all are equal'), 'NATS')
  assert.strictEqual(columnOf('test/nats/link.test.ts', 'a link is cut'), 'NATS')
  assert.strictEqual(columnOf('test/chaos/chaos.slow.ts', 'K1 redis, seed 4'), 'Redis')
  assert.strictEqual(columnOf('test/transports/property.test.ts', 'I2 memory: any item'), 'memory')
  assert.strictEqual(columnOf('test/redis/valkey.slow.ts', 'the server is a Valkey'), 'Valkey')
  const found = evidence([
    fileOf('test/transports/memory.test.ts', ['K1 K4 both', 'K4 one', 'none, though K1 is in it']),
    fileOf('test/redis/link.test.ts', ['E2 a link']),
    fileOf('test/redis/valkey.slow.ts', ['on Valkey: link.test.ts']),
  ])
  const sum = (key: string) => [...(found.get(key)?.values() ?? [])].join()
  assert.deepStrictEqual([sum('K1 memory'), sum('K4 memory'), sum('K1 Redis')], ['1', '2', ''])
  assert.deepStrictEqual([sum('E2 Redis'), sum('E2 Valkey'), sum('K2 Valkey')], ['1', '1', '1'])
})

const fileOf = (file: string, cases: string[]) => ({
  ...{ file, cases, passed: cases.length, failed: 0 },
  ...{ skips: [], notes: [] },
})

test('the page leads with the clauses; a failure, a missing report or another commit prevents it', () => {
  const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-guarantees-'))
  const put = (name: string, report: object) => {
    mkdirSync(join(dir, '.cache/guarantees'), { recursive: true })
    const stamp = { command: `run ${name}`, commit: 'abc', day: '2026-01-01' }
    writeFileSync(join(dir, '.cache/guarantees', `${name}.json`), JSON.stringify({ ...stamp, ...report }))
  }
  const tests = { sum: { passed: 1, failed: 0, skipped: 0 }, files: [fileOf('test/redis/link.test.ts', ['K1 it'])] }
  const simulation = { seeds: 5, steps: 9, failed: 0, faults: { cut: 3 }, repair: { median: 1, worst: 2 } }
  const chaosOn = (transport: string) => ({
    ...{ transport, seeds: 20, failed: [], calls: 7, accepted: 6, events: 5, losses: 4, restored: 3 },
    ...{ converged: { median: 1, worst: 2 }, faults: [{ name: 'cut', count: 1, repairs: 1, median: 8, worst: 9 }] },
  })
  put('tests', tests)
  put('simulation', simulation)
  for (const transport of chaosTransports) put(`chaos-${transport}`, chaosOn(transport))
  const { reports, faults } = readReports(dir)
  assert.deepStrictEqual(faults, [])
  assert.ok(reports)
  const page = render(reports)
  const rows = [...page.matchAll(/^\| ([A-Z]\d+) \| (.*?) \|(.*)\|$/gm)].slice(0, Object.keys(clauses).length)
  assert.deepStrictEqual(
    rows.map(([, clause, text]) => [clause, text]),
    Object.entries(clauses),
  )
  assert.match(page, /^\| K1 \|.*\| {2}\| {2}\| 1 \| {2}\| {2}\|$/m)
  assert.ok(page.indexOf('| N1 |') < page.indexOf('\n## '), 'the table comes first')

  const prevented: [string, object, RegExp][] = [
    ['tests', { ...tests, sum: { passed: 1, failed: 1, skipped: 0 } }, /^1 tests failed$/],
    ['simulation', { ...simulation, failed: 2 }, /^2 seeds of the simulation failed$/],
    ['chaos-nats', { ...chaosOn('nats'), failed: [4, 7] }, /^chaos on nats failed: seeds 4,7$/],
    ['chaos-redis', { ...chaosOn('redis'), commit: 'def' }, /^the reports are of different commits: abc, def$/],
  ]
  for (const [name, report, fault] of prevented) {
    const good = name === 'tests' ? tests : name === 'simulation' ? simulation : chaosOn(name.slice('chaos-'.length))
    put(name, report)
    const verdict = readReports(dir)
    assert.strictEqual(verdict.reports, undefined)
    assert.match(verdict.faults.join('\n'), fault)
    put(name, good)
  }
  rmSync(join(dir, '.cache/guarantees/tests.json'))
  assert.match(readReports(dir).faults.join('\n'), /^not run: npm run test:all/)
  rmSync(dir, { recursive: true })
})

test.run()
