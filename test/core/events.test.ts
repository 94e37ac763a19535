import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { suite } from 'uvu'
import { Emitter, emit } from '../../src/core/events'
import { turn } from '../support/fake-transport'

const test = suite('events')

type Events = {
  set: (key: string, item?: object) => void | Promise<void>
  expire: (key: string) => void | Promise<void>
  delete: (key: string) => void | Promise<void>
}

/** An emitter, and what its listeners threw. */
function make() {
  const failures: [string, unknown][] = []
  const emitter = new Emitter<Events>(['set', 'expire', 'delete'], (event, error) => failures.push([event, error]))
  return { emitter, failures }
}

const failure = new Error('a listener is broken')
const fail = () => {
  throw failure
}

test('listeners are called in the order they came, with what is told, on the emitter', () => {
  const { emitter } = make()
  const calls: unknown[] = []
  emitter.on('set', function (this: unknown, ...args) {
    calls.push(['first', this === emitter, ...args])
  })
  emitter.on('set', (...args) => void calls.push(['second', ...args]))
  const item = {}
  emit(emitter, 'set', ['a', item])
  assert.deepEqual(calls, [
    ['first', true, 'a', item],
    ['second', 'a', item],
  ])
})

test('a listener of one event does not hear another', () => {
  const { emitter } = make()
  emitter.on('set', () => assert.fail())
  emit(emitter, 'delete', ['a'])
})

test('a listener that was added twice is called twice, and taken away once at a time', () => {
  const { emitter } = make()
  let calls = 0
  const listener = () => void calls++
  emitter.on('set', listener).on('set', listener)
  emit(emitter, 'set', ['a'])
  emitter.off('set', listener)
  emit(emitter, 'set', ['a'])
  assert.equal(calls, 3)
  emitter.removeListener('set', listener)
  emit(emitter, 'set', ['a'])
  assert.equal(calls, 3)
  emitter.off('set', listener)
})

test('on, once, off, removeListener and multi chain', () => {
  const { emitter } = make()
  const listener = () => {}
  assert.equal(
    emitter
      .on('set', listener)
      .once('set', listener)
      .off('set', listener)
      .removeListener('set', listener)
      .multi('set', listener),
    emitter,
  )
  assert.equal(emitter.listenerCount('set'), 1)
})

test('once is once, also where the listener tells the event again, and where it throws', () => {
  const { emitter, failures } = make()
  let calls = 0
  emitter.once('set', () => {
    calls++
    emit(emitter, 'set', ['again'])
    throw failure
  })
  emit(emitter, 'set', ['a'])
  emit(emitter, 'set', ['b'])
  assert.equal(calls, 1)
  assert.deepEqual(failures, [['set', failure]])
})

test('once is once, also where the event is told again while it is told to those before', () => {
  const { emitter } = make()
  const calls: string[] = []
  emitter.once('set', () => emit(emitter, 'set', ['inner']))
  emitter.once('set', (key) => void calls.push(key))
  emit(emitter, 'set', ['outer'])
  assert.deepEqual(calls, ['inner'])
})

test('a listener of once is called on the emitter, as others are', () => {
  const { emitter } = make()
  let self: unknown
  emitter.once('set', function (this: unknown) {
    self = this
  })
  emit(emitter, 'set', ['a'])
  assert.equal(self, emitter)
})

test('a listener of once can be taken away by its own name', () => {
  const { emitter } = make()
  const listener = () => assert.fail()
  emitter.once('set', listener).off('set', listener)
  emit(emitter, 'set', ['a'])
})

test('a listener that throws stops no other', () => {
  const { emitter, failures } = make()
  const calls: string[] = []
  emitter.on('set', (key) => void calls.push(`before ${key}`))
  emitter.on('set', fail)
  emitter.once('set', fail)
  emitter.on('set', (key) => void calls.push(`after ${key}`))
  emit(emitter, 'set', ['a'])
  assert.deepEqual(calls, ['before a', 'after a'])
  assert.deepEqual(failures, [
    ['set', failure],
    ['set', failure],
  ])
})

test('whatever a listener throws is passed on as it is', () => {
  const { emitter, failures } = make()
  for (const thrown of [undefined, null, 0, 'text', Symbol('s'), Object.create(null)]) {
    const listener = () => {
      throw thrown
    }
    emitter.on('set', listener)
    emit(emitter, 'set', ['a'])
    emitter.off('set', listener)
    assert.deepEqual(failures.splice(0), [['set', thrown]])
  }
})

test('a promise of a listener that rejects is heard of, and is no unhandled rejection', async () => {
  const { emitter, failures } = make()
  emitter.on('set', async () => fail())
  emitter.once('delete', async () => fail())
  emitter.on('expire', () => Promise.resolve())
  emit(emitter, 'set', ['a'])
  emit(emitter, 'delete', ['a'])
  emit(emitter, 'expire', ['a'])
  assert.deepEqual(failures, [])
  await turn()
  assert.deepEqual(failures, [
    ['set', failure],
    ['delete', failure],
  ])
})

test('what a listener returns may be anything, hostile thenables included', async () => {
  const { emitter, failures } = make()
  // biome-ignore lint/suspicious/noThenProperty: the point
  const results: unknown[] = [null, 0, 'then', { then: 1 }, Object.create(null), () => {}]
  for (const result of results) emitter.on('set', (() => result) as () => void)
  emit(emitter, 'set', ['a'])
  assert.deepEqual(failures, [])
  const throwing = {
    // biome-ignore lint/suspicious/noThenProperty: the point
    get then() {
      return fail()
    },
  }
  emitter.on('delete', (() => throwing) as unknown as () => void)
  // biome-ignore lint/suspicious/noThenProperty: the point
  emitter.on('delete', (() => ({ then: fail })) as unknown as () => void)
  emit(emitter, 'delete', ['a'])
  assert.deepEqual(failures, [
    ['delete', failure],
    ['delete', failure],
  ])
})

test('what listeners do to the listeners counts from the next event on, as in EventEmitter', () => {
  const { emitter } = make()
  const calls: string[] = []
  const late = () => void calls.push('late')
  const victim = () => void calls.push('victim')
  emitter.on('set', () => {
    emitter.off('set', victim)
    emitter.off('set', late)
    emitter.on('set', late)
  })
  emitter.on('set', victim)
  emit(emitter, 'set', ['a'])
  assert.deepEqual(calls, ['victim'])
  emit(emitter, 'set', ['a'])
  assert.deepEqual(calls, ['victim', 'late'])
})

test('a listener may take itself away', () => {
  const { emitter } = make()
  let calls = 0
  const listener = () => {
    calls++
    emitter.off('set', listener)
  }
  emitter.on('set', listener)
  for (let i = 0; i < 3; i++) emit(emitter, 'set', ['a'])
  assert.equal(calls, 1)
  assert.equal(emitter.listenerCount('set'), 0)
})

test('multi listens to each event that is named, whatever the white space, once each', () => {
  for (const names of ['expire delete', ' expire\tdelete ', '\nexpire\r\n\tdelete\f', 'delete expire delete expire']) {
    const { emitter } = make()
    const calls: string[] = []
    emitter.multi(names as 'expire delete', (key: string) => void calls.push(key))
    emit(emitter, 'expire', ['a'])
    emit(emitter, 'delete', ['b'])
    emit(emitter, 'set', ['c'])
    assert.deepEqual(calls, ['a', 'b'], JSON.stringify(names))
  }
})

test('multi refuses an unknown name, and then listens to none', () => {
  const { emitter } = make()
  const message = 'there is no event "expired"; there are set, expire, delete'
  assert.throws(() => emitter.multi('delete expired' as 'delete', () => {}), { code: 'INVALID_LISTENER', message })
  assert.equal(emitter.listenerCount('delete'), 0)
  for (const name of ['Set', 'set,delete', 'constructor', '__proto__', 'newListener', 'error', 'set\0']) {
    assert.throws(() => emitter.multi(name as 'set', () => {}), { code: 'INVALID_LISTENER' })
  }
})

test('multi refuses a string without a name, and what is no string', () => {
  const { emitter } = make()
  for (const names of ['', ' ', '\n\t']) {
    assert.throws(() => emitter.multi(names as 'set', () => {}), {
      code: 'INVALID_LISTENER',
      message: 'no event is named; there are set, expire, delete',
    })
  }
  for (const names of [undefined, null, 1, {}, []]) {
    assert.throws(() => emitter.multi(names as unknown as 'set', () => {}), { code: 'INVALID_LISTENER' })
  }
})

test('what multi added, off takes away for each event', () => {
  const { emitter } = make()
  const listener = () => assert.fail()
  emitter.multi('expire delete', listener).off('expire', listener).off('delete', listener)
  emit(emitter, 'expire', ['a'])
  emit(emitter, 'delete', ['a'])
})

test('a listener must be a function', () => {
  const { emitter } = make()
  for (const listener of [undefined, null, 1, 'x', {}, [], Object.create(null)] as (() => void)[]) {
    const refused = { code: 'INVALID_LISTENER' }
    assert.throws(() => emitter.on('set', listener), refused)
    assert.throws(() => emitter.once('set', listener), refused)
    assert.throws(() => emitter.off('set', listener), refused)
    assert.throws(() => emitter.removeListener('set', listener), refused)
    assert.throws(() => emitter.multi('set delete', listener), refused)
  }
  assert.equal(emitter.listenerCount('set') + emitter.listenerCount('delete'), 0)
})

test("node's events.once waits for an event", async () => {
  const { emitter } = make()
  const waiting = once(emitter as unknown as EventEmitter, 'set')
  emit(emitter, 'set', ['a', { x: 1 }])
  assert.deepEqual(await waiting, ['a', { x: 1 }])
  assert.equal(emitter.listenerCount('set'), 0)
})

test("node's events.once can be aborted, and leaves no listener", async () => {
  const { emitter } = make()
  const abort = new AbortController()
  const waiting = once(emitter as unknown as EventEmitter, 'set', { signal: abort.signal })
  abort.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  assert.equal(emitter.listenerCount('set'), 0)
})

test('many listeners give no warning', async () => {
  const { emitter } = make()
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  for (let i = 0; i < 100; i++) emitter.on('set', () => {})
  await turn()
  process.off('warning', note)
  assert.deepEqual(warnings, [])
  assert.equal(emitter.listenerCount('set'), 100)
})

test('who holds an emitter cannot tell events, nor reach the one inside', () => {
  const { emitter } = make()
  assert.ok(!('emit' in emitter))
  assert.ok(!(emitter instanceof EventEmitter))
  assert.deepEqual(Reflect.ownKeys(emitter), [])
})

test.run()
