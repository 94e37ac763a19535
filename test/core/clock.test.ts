import assert from 'node:assert/strict'
import { once } from 'node:events'
import { stat } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import { type Clock, followingClock, systemClock } from '../../src/core/clock'

const test = suite('clock')

const clocks: Record<string, Clock> = { systemClock, followingClock }

for (const [name, clock] of Object.entries(clocks)) {
  test(`X2 ${name} is monotonic: a jump of the wall clock changes nothing`, () => {
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

test('H5 fake timers do not reach the system clock, and move the one that follows them', () => {
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

/** Where in a round of the event loop one can be. */
const phases: Record<string, (callback: () => void) => void> = {
  'before the sockets are polled': (callback) => setTimeout(callback, 1),
  'while the sockets are polled': (callback) => stat('.', callback),
  'after the sockets were polled': (callback) => setImmediate(callback),
}

for (const [phase, enter] of Object.entries(phases)) {
  test(`E7 ${phase}, the system clock calls back once what waits in the sockets has been read`, async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const accepted = once(server, 'connection')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    const [peer] = (await accepted) as [Socket]
    const order: string[] = []
    socket.on('data', () => order.push('data'))
    await new Promise<void>((resolve) =>
      enter(() => {
        peer.write('what waits')
        systemClock.afterInput?.(() => {
          order.push('after input')
          resolve()
        })
      }),
    )
    socket.destroy()
    peer.destroy()
    server.close()
    assert.deepEqual(order, ['data', 'after input'])
  })
}

test('E7 fake timers have no sockets to wait for', () => {
  assert.equal(followingClock.afterInput, undefined)
})

test('a timer holds the process, as the expiry of an item must', () => {
  const timer = systemClock.setTimeout(() => {}, 1000) as NodeJS.Timeout
  assert.ok(timer.hasRef())
  systemClock.clearTimeout(timer)
})

test.run()
