/** The page of guarantees has every clause of the contract, and what it says it took from tests is there. */
import assert from 'node:assert'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import { clauses, shows } from '../../scripts/guarantees/clauses'
import { columnOf, evidence } from '../../scripts/guarantees/page'
import { conformance } from '../../src/conformance'

const test = suite('guarantees')
const root = resolve(__dirname, '../..')

/** The titles of the suite, of which nothing is run. */
function titles(): string[] {
  const found: string[] = []
  const register = (title: string) => found.push(title)
  conformance({
    name: 'none',
    test: Object.assign(register, { skip: register }),
    setup: () => assert.fail('registering sets nothing up'),
  })
  return found
}

test('its clauses are those of the conformance suite, and the few that no store shows by itself', () => {
  const named = new Set(titles().flatMap((title) => title.match(/\b[NIRWEXKH]\d(?= )/g) ?? []))
  for (const clause of named) assert.ok(clause in clauses, clause)
  const others = Object.keys(clauses).filter((clause) => !named.has(clause))
  for (const clause of others) assert.match(clause, /^(K2|K5|K7|H1|H3)$/)
})

test('the page has a row for each, in order', () => {
  const page = readFileSync(join(root, 'GUARANTEES.md'), 'utf8')
  const [, table = ''] = /## Clauses and stores([\s\S]*?)\n### /.exec(page) ?? []
  const rows = [...table.matchAll(/^\| ([A-Z]\d) \| (.*?) \|/gm)].map(([, clause, text]) => [clause, text])
  assert.deepStrictEqual(rows, Object.entries(clauses))
})

test('files that are said to show clauses are there, and the clauses too', () => {
  for (const [file, named] of Object.entries(shows)) {
    assert.ok(existsSync(join(root, file)), file)
    for (const clause of named.split(' ')) assert.ok(clause in clauses, `${file}: ${clause}`)
  }
})

test('a test counts for the clauses in its title, and for the store where it was played', () => {
  assert.strictEqual(columnOf('test/transports/nats-2.9.test.ts', 'K1 all are equal'), 'NATS 2.9')
  assert.strictEqual(columnOf('test/nats/link.test.ts', '2.15: a link is cut'), 'NATS 2.15')
  assert.strictEqual(columnOf('test/chaos/chaos.slow.ts', 'K1 redis, seed 4'), 'Redis')
  assert.strictEqual(columnOf('test/redis/valkey.slow.ts', 'K1 all'), 'Valkey')
  const report = { file: 'test/transports/memory.test.ts', passed: 1, failed: 0, skips: [], notes: [] }
  const found = evidence([{ ...report, cases: ['K1 K4 both', 'K4 one', 'none'] }])
  const sum = (key: string) => [...(found.get(key)?.values() ?? [])].join()
  assert.deepStrictEqual([sum('K1 memory'), sum('K4 memory'), sum('K1 Redis')], ['1', '2', ''])
})

test.run()
