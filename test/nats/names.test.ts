/** Names as they lie in NATS: readable where they are simple, legal in any case, and never the same for two. */
import assert from 'node:assert'
import { suite } from 'uvu'
import { hostileNames } from '../../src/conformance/hostile-names'
import { keyOf, namesOf, subjectOf } from '../../src/transports/nats/names'
import fc from '../support/fast-check'

const test = suite('names, NATS')

const place = (database: string, collection = 'c', prefix = '') => namesOf({ prefix, database, collection })
const names = place('region-nl', 'artists')

test('simple names stay as they are', () => {
  assert.deepStrictEqual(names, {
    bucket: 'region-nl',
    stream: 'KV_region-nl',
    start: '$KV.region-nl.artists.',
    epochs: '$KV.region-nl.=',
    cleared: '$KV.region-nl.artists.=',
    checked: '$KV.region-nl.artists.=t',
  })
  assert.strictEqual(place('region-nl', 'c', 'memis').bucket, 'memis-region-nl')
  assert.strictEqual(place('my_app', 'c', 'team_1').bucket, 'team_1-my_app')
  for (const key of ['coldplay', 'a.b.c', 'a/b', 'A_b-1', '0'])
    assert.strictEqual(subjectOf(names, key), names.start + key)
})

test('what means something is written as bytes', () => {
  const subjects = {
    'a.': 'a=2E',
    '.a': '=2Ea',
    'a..b': 'a=2E=2Eb',
    '*': '=2A',
    'a=b': 'a=3Db',
    é: '=C3=A9',
    ' ': '=20',
  }
  for (const [key, written] of Object.entries(subjects))
    assert.strictEqual(subjectOf(names, key), names.start + written)
  assert.strictEqual(place('d', 'a.b').start, '$KV.d.a=2Eb.')
  const buckets = { _41: '_5F41', '_-': '_-', 'a.b': 'a_2Eb', _4g: '_4g', a_: 'a_', 'a-b': 'a-b' }
  for (const [database, written] of Object.entries(buckets)) assert.strictEqual(place(database).bucket, written)
  assert.strictEqual(place('c', 'c', 'a-b').bucket, 'a_2Db-c', 'the first dash separates')
})

const name = fc.oneof(
  fc.constantFrom(...hostileNames, '_-', '__', '_41', '_5F41', 'a_', '-a', '_A', '=41', '=3D41'),
  fc.string({ unit: fc.constantFrom('_', '-', '.', '=', '4', 'A', 'F', 'é'), minLength: 1, maxLength: 6 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((text) => text.isWellFormed()),
)

test('every key comes back from its subject, which is one that KV allows', () => {
  fc.assert(
    fc.property(name, name, (collection, key) => {
      const at = place('d', collection)
      const subject = subjectOf(at, key)
      assert.match(subject.slice(at.start.length), /^[-/=\w]+(\.[-/=\w]+)*$/)
      assert.match(at.start, /^\$KV\.d\.[-/=\w]+\.$/)
      assert.strictEqual(keyOf(at, subject), key)
    }),
    { numRuns: 5000 },
  )
})

test('two places never share a bucket, unless one names that bucket itself', () => {
  fc.assert(
    fc.property(name, name, name, name, (p, a, q, b) => {
      const [one, other] = [place(a, 'c', p).bucket, place(b, 'c', q).bucket]
      assert.match(one, /^[-\w]+$/)
      assert.strictEqual(one === other, p === q && a === b)
      assert.strictEqual(place(a).bucket === place(b).bucket, a === b)
    }),
    { numRuns: 20_000 },
  )
})

test('a subject that memis would write in another way has no key', () => {
  for (const written of ['a=61', '=', '=t', '=2e', '=zz', '=C3', 'a=2Eb', '', 'k'.repeat(300)]) {
    assert.strictEqual(keyOf(names, names.start + written), undefined, written)
  }
})

test('prefix and database together may be too long for the name of a stream', () => {
  assert.strictEqual(place('é'.repeat(32), 'c').stream.length, 195)
  assert.throws(() => place('é'.repeat(32), 'c', 'é'.repeat(30)), { code: 'INVALID_OPTION' })
})

test.run()
