/** Text from outside in what memis says (H3, H10): one line, no control characters, no secrets, and short, whatever it comes from. */
import assert from 'node:assert'
import { inspect } from 'node:util'
import { createClient, type MemisError } from '../../src'
import { natsSite } from '../nats/support'
import { baseOf, Raw, redisServer } from '../redis/support'
import { rejection, suite, until } from '../support/testing'

const test = suite('security: text', 60_000)

/** Characters that move a cursor, begin a line, or turn the direction of writing. */
const harmful: Record<string, string> = {
  'an escape sequence': '\u001b[31m\u001b]0;owned\u0007',
  'a line break': 'a\n2026-11-27 INFO admin logged in',
  'a carriage return': 'a\rb',
  'a NUL': 'a\0b',
  'C1 controls': 'a\u009b31m\u0085b',
  'bidi marks': 'a\u202e\u2066b\u200f',
  'line and paragraph separators': 'a\u2028b\u2029c',
  'zero width characters': 'a\u200b\ufeff\u2060b',
  'a backspace and a DEL': 'a\b\b\u007f',
  'tags of language': 'a\u{e0041}\u{e007f}b',
  'ten thousand escapes': '\u001b[2J'.repeat(20),
}
const isClean = (text: string) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)
const longest = 1000

function assertClean(error: MemisError, what: string): void {
  assert.ok(isClean(error.message), `${what}: ${JSON.stringify(error.message)}`)
  assert.ok(error.message.length <= longest, `${what}: ${error.message.length} characters`)
}

/** An instance of a class whose name is that. */
function oddlyNamed(name: string): object {
  class Odd {}
  Object.defineProperty(Odd, 'name', { value: name })
  return new Odd()
}

for (const [what, text] of Object.entries(harmful)) {
  test(`${what} in names, keys, fields and values: no message shows it as it is`, async () => {
    await using client = createClient({ transport: 'memory' })
    const errors: MemisError[] = []
    client.on('error', (error) => void errors.push(error))
    const name = text.slice(0, 30)
    const items = client.database(name).collection<object>(name)
    errors.push(
      await rejection(items.set(name, { [text]: Number.NaN })),
      await rejection(items.set(name, { a: { [text]: new Date() } })),
      await rejection(items.set('k', { a: oddlyNamed(text) })),
      await rejection(items.set(name, { a: 1 }, text as never)),
      await rejection(items.delete(name, { ifRevision: text })),
      await rejection(items.set('k', { a: 1 }, { [text]: 1 } as never)),
      await rejection(items.increment(name, text as never)),
    )
    for (const call of [
      () => items.get(name),
      () => items.on(text as never, (() => {}) as never),
      () => client.database(text.repeat(100)),
      () => createClient(text),
      () => createClient({ url: `redis://h:1/${text}` }),
      () => createClient({ [text]: 1 } as never),
      () => createClient({ transport: text } as never),
      () => createClient({ transport: 'memory', prefix: `${text}{` }),
    ]) {
      let refused: MemisError | undefined
      try {
        call()
      } catch (error) {
        refused = error as MemisError
      }
      assert.ok(refused !== undefined, `not refused: ${call}`)
      errors.push(refused)
    }
    for (const [i, error] of errors.entries()) assertClean(error, `call ${i}`)
  })
}

test('what lies in Redis, and what arrives there: no message shows it as it is', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await using client = createClient({ url: server.url, auditInterval: 50 })
  const errors: MemisError[] = []
  client.on('error', (error) => void errors.push(error))
  for (const [what, text] of Object.entries(harmful)) {
    const name = text.slice(0, 30)
    const base = baseOf('test', name)
    const items = client.database('test').collection<object>(name)
    await items.set('a', { x: 1 })
    await raw.send('HSET', `${base}:a`, text, 'no JSON')
    await items.subscribe()
    await raw.send('PUBLISH', base, text)
    await raw.send('HSET', `${base}/meta`, 'layout', text)
    errors.push(await rejection(items.delete('a')))
    items.unsubscribe()
    await raw.send('HSET', `${base}/meta`, 'layout', `9${text}`)
    errors.push(await rejection(items.subscribe()))
    assert.ok(client.errorCounts.UNDECODABLE, what)
  }
  await until('it is told', () => errors.length > 2 * Object.keys(harmful).length)
  for (const [i, error] of errors.entries()) assertClean(error, `error ${i}`)
})

test('what lies in NATS: no message shows it as it is', async () => {
  await using site = await natsSite()
  await using client = site.client({ auditInterval: 50 })
  const errors: MemisError[] = []
  client.on('error', (error) => void errors.push(error))
  for (const [what, text] of Object.entries(harmful)) {
    const name = text.slice(0, 30)
    const items = client.database('test').collection<object>(name)
    await items.subscribe()
    await items.set(name, { x: 1 })
    const [consumer] = (await site.raw.consumers()) as unknown as { config: { filter_subject: string } }[]
    const subject = consumer?.config.filter_subject.replace('>', 'a=61') as string
    await site.raw.publish(subject, '{"a":1}')
    await site.raw.publish(subject.replace('a=61', 'a'), text)
    await until(`${what} is told`, () => (client.errorCounts.UNDECODABLE ?? 0) > 0)
    items.unsubscribe()
  }
  assert.ok(errors.length > 0)
  for (const [i, error] of errors.entries()) assertClean(error, `error ${i}`)
})

const secret = 'TOPSECRET'
/** Ways to give a password wrongly, or to a server that does not want it. */
const places: Record<string, unknown> = {
  'a URL with a bad port': `redis://u:${secret}@h:99999999`,
  'a URL of NATS with a bad port': `nats://u:${secret}@h:99999999`,
  'a URL of another scheme': `http://u:${secret}@h`,
  'a URL with a bare #': `redis://u:${secret}#x@h:6379`,
  'a URL in the place of a transport': { transport: { url: `redis://u:${secret}@h` } },
  'a URL in the place of a socket': { transport: 'redis', socket: `redis://u:${secret}@h` },
  'a URL as the name of an option': { transport: 'memory', [`redis://u:${secret}@h`]: 1 },
  'a password in the place of a number': { url: 'redis://h', maxPending: secret },
  'a password in the place of an object': { transport: 'nats', bucket: secret },
  'a password in an object': { url: 'redis://h', prefix: { password: secret } },
  'an array': [`redis://u:${secret}@h`],
  'two URLs that disagree': { transport: 'memory', url: `redis://u:${secret}@h` },
}
for (const [what, options] of Object.entries(places)) {
  test(`a secret in ${what} is not repeated (H3)`, async () => {
    let error: unknown
    try {
      const client = createClient(options as never)
      client.on('error', () => {})
      await client.close()
    } catch (thrown) {
      error = thrown
    }
    assert.ok(error !== undefined, 'it was accepted')
    assert.ok(!inspect(error, { depth: 12, showHidden: true, getters: true }).includes(secret))
  })
}

test.run()
