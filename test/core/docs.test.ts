/** The tables in docs/errors.md and docs/options.md are those of the code. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import { type ErrorCode, errorCodes, isPermanent, MemisError } from '../../src/core/errors'
import { numericOptions, ownOptions, takeSettings } from '../../src/core/options'
import { refuseUnknown } from '../../src/options/known'
import { readUrl } from '../../src/options/url'

const test = suite('docs')

const read = (name: string) => readFileSync(join(__dirname, '../../docs', name), 'utf8')
const [errors, options] = [read('errors.md'), read('options.md')]

/** The rows of the table whose head begins so. */
function table(text: string, head: string, nth = 0): string[][] {
  const starts = [...text.matchAll(/^\|.*\|\n(?=\|[-|]+\|\n)/gm)].filter(([line]) => line.startsWith(`| ${head} |`))
  const start = starts[nth]
  assert.ok(start, `there is no table ${head}`)
  const [, , ...lines] = text.slice(start.index).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('|'))
  return lines.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** What stands in backticks. */
const quoted = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner as string)

test('every code is listed, with its meaning, whether to retry, and its HTTP status', () => {
  const expected = Object.entries(errorCodes).map(([code, { meaning, retryable, httpStatus }]) => [
    `\`${code}\``,
    meaning,
    retryable ? 'yes' : 'no',
    httpStatus === null ? '–' : String(httpStatus),
  ])
  assert.deepEqual(table(errors, 'code'), expected)
})

test('the codes of faults that do not pass are named', () => {
  const lasting = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => isPermanent(new MemisError(code, '')))
  const [sentence = ''] = /^Four codes are faults.*$/m.exec(errors) ?? []
  assert.deepEqual(quoted(sentence).sort(), lasting.sort())
})

test('every field of an error is listed', () => {
  const current = { key: 'a', item: {}, revision: 'e.1', expiresIn: null }
  const names = { database: 'a', collection: 'b', key: 'c' }
  const full = new MemisError('CONFLICT', 'no', { ...names, cause: new Error(), stored: 'no', current })
  const listed = table(errors, 'field').flatMap(([fields]) => quoted(fields))
  assert.deepEqual(listed.sort(), ['cause', ...Object.keys(full).filter((field) => field !== 'name')].sort())
})

test('every option of memis is listed, with its default and its bounds', () => {
  const rows = new Map(table(options, 'option').map(([option, ...rest]) => [quoted(option)[0], rest]))
  assert.deepEqual([...rows.keys()].sort(), [...ownOptions].sort())
  for (const [name, { standard, least, most, unit }] of Object.entries(numericOptions)) {
    const number = (n: number) => n.toLocaleString('en-US')
    const allowed = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${number(most)}`
    assert.deepEqual(rows.get(name)?.slice(0, 2), [number(standard) + (unit === 'count' ? '' : ` ${unit}`), allowed])
  }
  const { settings } = takeSettings({})
  for (const name of ['prefix', 'readOnly', 'dataLoss'] as const) {
    const shown = typeof settings[name] === 'string' ? `'${settings[name]}'` : String(settings[name])
    assert.deepEqual(quoted(rows.get(name)?.[0]), [shown])
  }
})

test('every option that is a duration is listed under milliseconds, and none under seconds', () => {
  const rows = table(options, 'seconds (fractions allowed)')
  const durations = Object.entries(numericOptions).flatMap(([name, { unit }]) => (unit === 'ms' ? [name] : []))
  const [seconds, ms] = [0, 1].map((column) => rows.flatMap((row) => quoted(row[column])))
  for (const name of durations) assert.ok(ms?.includes(name) && !seconds?.includes(name), name)
})

test('the schemes that are listed are understood', () => {
  const schemes = table(options, 'scheme').map(([scheme]) => quoted(scheme)[0] as string)
  for (const scheme of schemes) assert.doesNotThrow(() => readUrl(`${scheme}host`), scheme)
  for (const scheme of ['redis', 'rediss', 'valkey', 'valkeys', 'nats', 'tls'])
    assert.ok(schemes.includes(`${scheme}://`))
})

for (const [i, transport] of (['redis', 'nats'] as const).entries()) {
  const nested = (name: string) => {
    const [first = '', second] = name.split('.')
    return { [first]: second === undefined ? undefined : { [second]: undefined } }
  }

  test(`the options of ${transport} that are listed are accepted, and those that memis sets are refused`, () => {
    const accepted = table(options, 'accepted', i).flatMap(([, names]) => quoted(names))
    const names = accepted.filter((name) => /^\w+$/.test(name) && !['redis', 'connect'].includes(name))
    assert.ok(names.length > 12)
    for (const name of names) assert.doesNotThrow(() => refuseUnknown(transport, nested(name)), name)
    const set = table(options, 'memis sets', i).flatMap(([names]) => quoted(names))
    assert.ok(set.length >= 10)
    for (const name of set) {
      assert.throws(() => refuseUnknown(transport, nested(name)), { code: 'INVALID_OPTION' }, name)
    }
    for (const own of table(options, 'memis sets', i).flatMap(([, why]) => quoted(why))) {
      assert.ok(ownOptions.includes(own), own)
    }
  })
}

test.run()
