import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { takeSettings } from '../../src/core/options'

const test = suite('options')

test('without options, all have their defaults', () => {
  assert.deepEqual(takeSettings({}), {
    settings: {
      prefix: undefined,
      writeTimeout: 10_000,
      maxPending: 100_000,
      maxPendingBytes: 64 * 1024 * 1024,
      livenessTimeout: 15_000,
      auditInterval: 2000,
      retention: 600_000,
      maxItemBytes: 1024 * 1024,
      dataLoss: 'restore',
    },
    rest: {},
  })
})

test('what is given is taken, and what is undefined has its default', () => {
  const given = {
    prefix: 'shop',
    writeTimeout: 1,
    maxPending: 2,
    maxPendingBytes: 3,
    livenessTimeout: 100,
    auditInterval: 10,
    retention: 0,
    maxItemBytes: 2,
    dataLoss: 'accept',
  } as const
  assert.deepEqual(takeSettings(given).settings, given)
  assert.equal(takeSettings({ writeTimeout: undefined, dataLoss: undefined }).settings.writeTimeout, 10_000)
})

test('what is not of memis is left to the transport, whatever it is', () => {
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
  const bounds = {
    writeTimeout: [1, 2 ** 31 - 1],
    maxPending: [1, Number.MAX_SAFE_INTEGER],
    maxPendingBytes: [1, Number.MAX_SAFE_INTEGER],
    livenessTimeout: [100, 2 ** 31 - 1],
    auditInterval: [10, 2 ** 31 - 1],
    retention: [0, Number.MAX_SAFE_INTEGER],
    maxItemBytes: [2, 512 * 1024 * 1024],
  } as const
  for (const [name, [least, most]] of Object.entries(bounds)) {
    for (const value of [least, most]) {
      assert.equal(takeSettings({ [name]: value }).settings[name as keyof typeof bounds], value)
    }
    for (const value of [least - 1, most + 1, least + 0.5, NaN, Infinity, -Infinity, '1000', true, {}, [], 1000n]) {
      const message = new RegExp(`^${name} must be a whole number from ${least} to ${most}, this is `)
      assert.throws(() => takeSettings({ [name]: value }), { code: 'INVALID_OPTION', message })
    }
  }
})

test('null is no number', () => {
  assert.throws(() => takeSettings({ writeTimeout: null }), { code: 'INVALID_OPTION' })
})

test('a prefix is a string of 1 to 64 characters without braces', () => {
  for (const prefix of ['a', 'shop:eu', '🎉'.repeat(64), ' ', '\n', '__proto__']) {
    assert.equal(takeSettings({ prefix }).settings.prefix, prefix)
  }
  for (const prefix of ['', 'a{b', '}', 'x'.repeat(65), '\ud800', 'a\ud800', null, 1, ['a'], Symbol('s')]) {
    assert.throws(() => takeSettings({ prefix }), { code: 'INVALID_OPTION', message: /^prefix must be a string/ })
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

test.run()
