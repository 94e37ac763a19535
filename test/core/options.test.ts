import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { numericOptions, ownOptions, takeSettings } from '../../src/core/options'

const test = suite('options')

const MiB = 1024 * 1024

test('without options, all have their defaults', () => {
  assert.deepEqual(takeSettings({}), {
    settings: {
      prefix: 'memis',
      readOnly: false,
      writeTimeout: 10_000,
      maxPending: 100_000,
      maxPendingBytes: 64 * MiB,
      livenessTimeout: 15_000,
      auditInterval: 2000,
      retention: 600_000,
      maxItemBytes: MiB,
      maxItems: 2_000_000,
      dataLoss: 'restore',
    },
    rest: {},
  })
})

test('an option that is given counts, and one that is undefined has its default', () => {
  const given = {
    prefix: 'shop',
    readOnly: true,
    writeTimeout: 1,
    maxPending: 2,
    maxPendingBytes: 3,
    livenessTimeout: 100,
    auditInterval: 10,
    retention: 0,
    maxItemBytes: 2,
    maxItems: 4,
    dataLoss: 'accept',
  } as const
  assert.deepEqual(takeSettings(given).settings, given)
  assert.deepEqual(Object.keys(given).sort(), [...ownOptions].sort())
  const absent = Object.fromEntries(ownOptions.map((name) => [name, undefined]))
  assert.deepEqual(takeSettings(absent), takeSettings({}))
})

test('all other options are the transport’s, whatever they are', () => {
  const socket = {}
  const { rest } = takeSettings({ transport: 'redis', writeTimeout: 5, socket, password: undefined })
  assert.deepEqual(rest, { transport: 'redis', socket, password: undefined })
  assert.equal(rest.socket, socket)
})

test('the options that were given are not changed', () => {
  const given = Object.freeze({ transport: 'memory', retention: 5 })
  takeSettings(given)
  assert.deepEqual(given, { transport: 'memory', retention: 5 })
})

test('a number must be whole and within its bounds', () => {
  const longestTimer = 2 ** 31 - 1
  const bounds: Record<keyof typeof numericOptions, [least: number, most: number, unit: string]> = {
    writeTimeout: [1, longestTimer, ' of ms'],
    maxPending: [1, Number.MAX_SAFE_INTEGER, ''],
    maxPendingBytes: [1, Number.MAX_SAFE_INTEGER, ' of bytes'],
    livenessTimeout: [100, longestTimer, ' of ms'],
    auditInterval: [10, longestTimer, ' of ms'],
    retention: [0, Number.MAX_SAFE_INTEGER, ' of ms'],
    maxItemBytes: [2, 512 * MiB, ' of bytes'],
    maxItems: [1, Number.MAX_SAFE_INTEGER, ''],
  }
  for (const name of Object.keys(numericOptions) as (keyof typeof numericOptions)[]) {
    const [least, most, unit] = bounds[name]
    for (const value of [least, most]) assert.equal(takeSettings({ [name]: value }).settings[name], value)
    const wrong = [least - 1, most + 1, least + 0.5, NaN, Infinity, -Infinity, '1000', true, null, {}, [], 1000n]
    for (const value of wrong) {
      const message = new RegExp(`^${name} must be a whole number${unit} from ${least} to ${most}, this is `)
      assert.throws(() => takeSettings({ [name]: value }), { code: 'INVALID_OPTION', message })
    }
  }
})

test('a prefix is a string of at most 64 characters without braces', () => {
  for (const prefix of ['', 'a', 'shop:eu', '🎉'.repeat(64), ' ', '\n', '__proto__']) {
    assert.equal(takeSettings({ prefix }).settings.prefix, prefix)
  }
  for (const prefix of ['a{b', '}', 'x'.repeat(65), '\ud800', 'a\ud800', null, 1, ['a'], Symbol('s')]) {
    assert.throws(() => takeSettings({ prefix }), { code: 'INVALID_OPTION', message: /^prefix must be a string/ })
  }
})

test('readOnly is true or false', () => {
  for (const readOnly of [true, false]) assert.equal(takeSettings({ readOnly }).settings.readOnly, readOnly)
  for (const readOnly of ['true', 1, 0, null]) {
    assert.throws(() => takeSettings({ readOnly }), {
      code: 'INVALID_OPTION',
      message: /^readOnly must be true or false/,
    })
  }
})

test('dataLoss is one of two words', () => {
  for (const dataLoss of ['restore', 'accept']) assert.equal(takeSettings({ dataLoss }).settings.dataLoss, dataLoss)
  for (const dataLoss of ['', 'Restore', null, true, 1]) {
    assert.throws(() => takeSettings({ dataLoss }), {
      code: 'INVALID_OPTION',
      message: /^dataLoss must be 'restore' or 'accept'/,
    })
  }
})

test('no message shows a value that could be a secret', () => {
  for (const name of ownOptions) {
    for (const value of ['s3cr3t{', { s3cr3t: 's3cr3t' }, ['s3cr3t'], Symbol('s3cr3t'), () => 's3cr3t']) {
      assert.throws(
        () => takeSettings({ [name]: value }),
        ({ message }: Error) => !message.includes('s3cr3t'),
      )
    }
  }
})

test.run()
