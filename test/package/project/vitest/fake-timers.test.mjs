// The memory transport in vitest, which loads ES modules, under its fake timers.
import { createClient } from 'memis'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('an item expires when the fake clock says so', async () => {
  const client = createClient({ transport: 'memory' })
  const artists = client.database('region-nl').collection('artists')
  const expired = []
  artists.on('expire', (key, last) => expired.push([key, last]))
  await artists.subscribe()
  await artists.set('coldplay', { genre: 'Alternative' }, 60)

  await vi.advanceTimersByTimeAsync(59_000)
  expect(artists.get('coldplay')).toEqual({ genre: 'Alternative' })
  expect(expired).toEqual([])

  await vi.advanceTimersByTimeAsync(1_010)
  expect(artists.has('coldplay')).toBe(false)
  expect(expired).toEqual([['coldplay', { genre: 'Alternative' }]])
  await client.close()
})
