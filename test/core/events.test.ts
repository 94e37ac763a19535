import assert from 'node:assert/strict'
import { EventEmitter, getEventListeners, on, once } from 'node:events'
import { suite } from 'uvu'
import { Emitter, emit } from '../../src/core/events'
import { turn } from '../support/fake-transport'

const test = suite('events')

type Events = {
  set: (key: string, item?: object) => void | Promise<void>
  expire: (key: string) => void | Promise<void>
  delete: (key: string) => void | Promise<void>
}

/** An emitter, what its listeners threw, and what its owner was told of their number. */
function make() {
  const failures: [string, unknown][] = []
  const active: boolean[] = []
  const emitter = new Emitter<Events>(
    ['set', 'expire', 'delete'],
    (event, error) => failures.push([event, error]),
    (hasListeners) => active.push(hasListeners),
  )
  return { emitter, failures, active }
}

const failure = new Error('a listener is broken')
const fail = () => {
  throw failure
}

test('listeners are called in the order in which they were added, with the arguments, on the emitter', () => {
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

test('a listener that was added twice is called twice, and removed once at a time', () => {
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

test('of a listener that was added twice, the later one is removed', () => {
  const { emitter } = make()
  const [one, two] = [() => {}, () => {}]
  emitter.on('set', one).on('set', two).on('set', one).off('set', one)
  assert.deepEqual(emitter.listeners('set'), [one, two])
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

test('once is once, also if the listener emits the event again, and if it throws', () => {
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

test('once is once, also if a listener before it emits the event again', () => {
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

test('a listener of once can be removed', () => {
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

test('anything that a listener throws is passed on as it is', () => {
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

test('a listener’s promise that rejects is reported, and is not an unhandled rejection', async () => {
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

test('a listener may return anything, hostile thenables included', async () => {
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

test('changes that a listener makes to the listeners count from the next event on, as in EventEmitter', () => {
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

test('a listener may remove itself', () => {
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

test('multi listens once to each event that is named, whatever the white space', () => {
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

test('multi refuses an unknown name, and then listens to no event', () => {
  const { emitter } = make()
  const message = 'there is no event "expired"; there are set, expire, delete'
  assert.throws(() => emitter.multi('delete expired' as 'delete', () => {}), { code: 'INVALID_LISTENER', message })
  assert.equal(emitter.listenerCount('delete'), 0)
  for (const name of ['Set', 'set,delete', 'constructor', '__proto__', 'newListener', 'error', 'set\0']) {
    assert.throws(() => emitter.multi(name as 'set', () => {}), { code: 'INVALID_LISTENER' })
  }
})

test('multi refuses a string without a name, and anything that is not a string', () => {
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

test('off removes what multi added, from one event or from all at once', () => {
  const { emitter } = make()
  const listener = () => assert.fail()
  emitter.multi('expire delete', listener).off('expire', listener).off('delete', listener)
  emitter.multi('expire delete', listener).off('delete expire', listener)
  emitter.multi('expire delete', listener).removeListener(' expire\tdelete ', listener)
  emit(emitter, 'expire', ['a'])
  emit(emitter, 'delete', ['a'])
  assert.deepEqual(emitter.eventNames(), [])
})

test('off leaves other events and other listeners alone', () => {
  const { emitter } = make()
  const calls: string[] = []
  const listener = (key: string) => void calls.push(key)
  emitter.multi('set expire delete', listener).on('delete', (key) => void calls.push(`other ${key}`))
  emitter.off('expire delete', listener).off('expire', listener)
  for (const event of ['set', 'expire', 'delete']) emit(emitter, event, [event])
  assert.deepEqual(calls, ['set', 'other delete'])
})

test('off refuses an unknown name', () => {
  const { emitter } = make()
  emitter.on('set', fail)
  for (const name of ['sets', 'set sets', '', 'constructor', undefined]) {
    assert.throws(() => emitter.off(name as 'set', fail), { code: 'INVALID_LISTENER' })
  }
  assert.equal(emitter.listenerCount('set'), 1)
})

test('listeners are counted and listed, those of once as they were given', () => {
  const { emitter } = make()
  const [one, two] = [() => {}, () => {}]
  emitter.on('set', one).once('set', two).on('set', one).on('delete', two)
  assert.deepEqual(emitter.listeners('set'), [one, two, one])
  assert.deepEqual(emitter.eventNames(), ['set', 'delete'])
  assert.equal(emitter.listenerCount('set'), 3)
  assert.equal(emitter.listenerCount('expire'), 0)
  assert.deepEqual(emitter.listeners('expire'), [])
  assert.deepEqual(getEventListeners(emitter, 'delete'), [two])
  emitter.listeners('set').length = 0
  assert.equal(emitter.listenerCount('set'), 3)
})

test('removeAllListeners removes those of one event, of several, or all', () => {
  const { emitter } = make()
  const fill = () => emitter.multi('set expire delete', () => {}).on('set', () => {})
  assert.equal(fill().removeAllListeners('set'), emitter)
  assert.deepEqual(emitter.eventNames(), ['expire', 'delete'])
  emitter.removeAllListeners()
  fill().removeAllListeners('set delete')
  assert.deepEqual(emitter.eventNames(), ['expire'])
  emitter.removeAllListeners().removeAllListeners('set').removeAllListeners()
  assert.deepEqual(emitter.eventNames(), [])
  assert.throws(() => emitter.removeAllListeners('sets' as 'set'), { code: 'INVALID_LISTENER' })
})

test('the owner is told of the first listener and of the last, however it goes', () => {
  const { emitter, active } = make()
  const told = () => active.splice(0)
  const listener = () => {}
  emitter.on('set', listener).on('delete', listener).once('expire', listener)
  assert.deepEqual(told(), [true])
  emitter.off('set', listener).off('set', listener).off('delete', listener)
  assert.deepEqual(told(), [])
  emit(emitter, 'expire', ['a'])
  assert.deepEqual(told(), [false])
  emitter.multi('set delete', listener).removeAllListeners('set')
  assert.deepEqual(told(), [true])
  emitter.removeAllListeners()
  assert.deepEqual(told(), [false])
  emitter.removeAllListeners().off('set', listener)
  assert.deepEqual(told(), [])
  emitter.once('set', () => void emitter.on('set', listener))
  emit(emitter, 'set', ['a'])
  assert.deepEqual(told(), [true, false, true])
  assert.throws(() => emitter.on('sets' as 'set', listener))
  assert.deepEqual(told(), [])
})

test('only an event that was named can be listened to, nor is `error` one by itself', () => {
  const { emitter } = make()
  for (const name of ['error', 'Set', 'set delete', '', '__proto__', 'newListener', Symbol('s'), undefined, 1]) {
    assert.throws(() => emitter.on(name as 'set', () => {}), { code: 'INVALID_LISTENER' })
    assert.throws(() => emitter.once(name as 'set', () => {}), { code: 'INVALID_LISTENER' })
  }
  assert.deepEqual(emitter.eventNames(), [])
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

test("Node's events.once waits for an event, and leaves no listener", async () => {
  const { emitter, active } = make()
  const waiting = once(emitter, 'set')
  assert.deepEqual(emitter.eventNames(), ['set'])
  emit(emitter, 'set', ['a', { x: 1 }])
  assert.deepEqual(await waiting, ['a', { x: 1 }])
  assert.deepEqual(active, [true, false])
})

test("Node's events.once can be aborted, and leaves no listener", async () => {
  const { emitter } = make()
  const abort = new AbortController()
  const waiting = once(emitter, 'set', { signal: abort.signal })
  abort.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  assert.deepEqual(emitter.eventNames(), [])
})

test("Node's events.on gives each event, and leaves no listener", async () => {
  const { emitter } = make()
  const seen: unknown[] = []
  const reading = (async () => {
    for await (const [key] of on(emitter, 'set')) {
      seen.push(key)
      if (key === 'c') return
    }
  })()
  for (const key of ['a', 'b', 'c']) emit(emitter, 'set', [key])
  await reading
  assert.deepEqual(seen, ['a', 'b', 'c'])
  assert.deepEqual(emitter.eventNames(), [])
})

test("Node's events.once rejects with an error of an emitter that has such an event", async () => {
  const emitter = new Emitter<{ ready: () => void; error: (error: Error) => void }>(['ready', 'error'], fail)
  const waiting = once(emitter, 'ready')
  assert.deepEqual(emitter.eventNames(), ['ready', 'error'])
  emit(emitter, 'error', [failure])
  await assert.rejects(waiting, failure)
  assert.deepEqual(emitter.eventNames(), [])
})

test('Node is known by its call, whatever else looks at stack traces, and they are left as they were', async () => {
  const { emitter } = make()
  const { stackTraceLimit, prepareStackTrace } = Error
  try {
    Error.stackTraceLimit = 0
    Error.prepareStackTrace = fail
    const waiting = once(emitter, 'set')
    assert.equal(Error.stackTraceLimit, 0)
    assert.equal(Error.prepareStackTrace, fail)
    emit(emitter, 'set', ['a'])
    assert.deepEqual(await waiting, ['a'])
  } finally {
    Object.assign(Error, { stackTraceLimit, prepareStackTrace })
  }
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

test('holding an emitter is not enough to emit its events', () => {
  const { emitter } = make()
  for (const name of ['emit', 'addListener', 'rawListeners']) assert.ok(!(name in emitter))
  assert.ok(!((emitter as unknown) instanceof EventEmitter))
  assert.deepEqual(Reflect.ownKeys(emitter), [])
})

test.run()
