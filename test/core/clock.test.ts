import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Clock, followingClock, systemClock } from '../../src/core/clock'

const test = suite('clock')

const clocks: Record<string, Clock> = { systemClock, followingClock }

for (const [name, clock] of Object.entries(clocks)) {
  test(`${name} is monotonic: a jump of the wall clock changes nothing`, () => {
    const { now } = Date
    try {
      const before = clock.now()
      Date.now = () => 0
      const between = clock.now()
      Date.now = () => 1e15
      const after = clock.now()
      assert.ok(before <= between && between <= after && after < before + 1000)
    } finally {
      Date.now = now
    }
  })

  test(`a timer of ${name} fires, and one that was taken back does not`, async () => {
    const fired: string[] = []
    await new Promise<void>((resolve) => {
      clock.clearTimeout(clock.setTimeout(() => fired.push('taken back'), 1))
      clock.setTimeout(() => fired.push('first'), 1)
      clock.setTimeout(resolve, 5)
    })
    assert.deepEqual(fired, ['first'])
  })

  test(`a timer of ${name} that has fired may be taken back`, () => {
    clock.clearTimeout(undefined)
  })
}

test('fake timers do not reach the system clock, and move the one that follows them', () => {
  const real = { setTimeout, clearTimeout, performance }
  const calls: string[] = []
  const fake = {
    setTimeout: (_: unknown, ms: number) => calls.push(`set ${ms}`),
    clearTimeout: (timer: unknown) => calls.push(`clear ${timer}`),
    performance: { now: () => 42 },
  }
  try {
    Object.assign(globalThis, fake)
    Object.defineProperty(globalThis, 'performance', { value: fake.performance, configurable: true, writable: true })
    assert.notEqual(systemClock.now(), 42)
    systemClock.clearTimeout(systemClock.setTimeout(() => {}, 1000))
    assert.deepEqual(calls, [])
    assert.equal(followingClock.now(), 42)
    followingClock.clearTimeout(followingClock.setTimeout(() => {}, 7))
    assert.deepEqual(calls, ['set 7', 'clear 1'])
  } finally {
    Object.defineProperty(globalThis, 'performance', { value: real.performance, configurable: true, writable: true })
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout })
  }
})

test('a timer holds the process, as the expiry of an item must', () => {
  const timer = systemClock.setTimeout(() => {}, 1000) as NodeJS.Timeout
  assert.ok(timer.hasRef())
  systemClock.clearTimeout(timer)
})

test.run()
