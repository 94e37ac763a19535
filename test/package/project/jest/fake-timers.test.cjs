// The memory transport in Jest, which loads CommonJS, under its fake timers.
const { createClient, MemoryHub } = require('memis')

beforeEach(() => jest.useFakeTimers())
afterEach(() => jest.useRealTimers())

test('an item expires when the fake clock says so', async () => {
  const client = createClient({ transport: 'memory' })
  const artists = client.database('region-nl').collection('artists')
  const expired = []
  artists.on('expire', (key, last) => expired.push([key, last]))
  await artists.subscribe()
  await artists.set('coldplay', { genre: 'Alternative' }, 60)

  await jest.advanceTimersByTimeAsync(59_000)
  expect(artists.get('coldplay')).toEqual({ genre: 'Alternative' })
  expect(expired).toEqual([])

  await jest.advanceTimersByTimeAsync(1_010)
  expect(artists.has('coldplay')).toBe(false)
  expect(expired).toEqual([['coldplay', { genre: 'Alternative' }]])
  await client.close()

  // The hub as a laboratory: its faults follow the fake clock, and its own way to move the time works as well.
  const hub = new MemoryHub()
  const [one, two] = [1, 2].map(() => createClient({ transport: 'memory', hub }))
  const [writer, replica] = [one, two].map((each) => each.database('d').collection('c'))
  await Promise.all([writer.subscribe(), replica.subscribe()])
  hub.cut(two)
  await writer.set('a', { v: 1 }, 24 * 3600)
  hub.heal(two)
  await jest.advanceTimersByTimeAsync(1000)
  expect(replica.has('a')).toBe(true)
  hub.drop(1, two)
  await writer.set('b', { v: 1 })
  await hub.idle()
  expect(replica.has('b')).toBe(false)
  await jest.advanceTimersByTimeAsync(5000)
  expect(replica.has('b')).toBe(true)
  await hub.advance('1 d')
  expect([...replica.keys()]).toEqual(['b'])
  await Promise.all([one.close(), two.close()])
})
