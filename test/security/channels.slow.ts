/**
 * Somebody who may only use the channels of a Redis (H6, H7, H8): lies in ten shapes and more, floods, and joiners among both; while nobody
 * writes and while others do, with either answer to a loss of data.
 */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { Raw, redisSite } from '../redis/support'
import type { Site } from '../scenarios/site'
import { slowly } from '../support/latency'
import { type Disposable, harmOf, note, suite } from '../support/testing'
import { type Ground, groundOf, Siege } from './siege'
import { lie, Tenant } from './tenant'

const test = suite('security: channels of Redis', 60_000)
const assertUnharmed = harmOf(test)

let ground: Disposable<Ground<Site>>
let raw: Raw
let count = 0

test.before(async () => {
  ground = await groundOf(await redisSite())
  raw = await Raw.connect(ground.site.server.url)
})
test.after.each(async () => assertUnharmed())
test.after(async () => {
  await raw[Symbol.asyncDispose]()
  await ground[Symbol.asyncDispose]()
})

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')
const hmac = (key: string, text: string) => createHash('sha1').update(key).update(text).digest('hex')

/** Each gives what the tenant publishes. `round`: 0 while nobody writes, 1 while others do. */
const lies: Record<string, (tenant: Tenant) => readonly string[]> = {
  'signed with what can be heard': (tenant) => {
    const { sign, before, epoch, header, payload, last } = tenant.last
    const known = [
      sign,
      before,
      epoch,
      header,
      payload,
      tenant.base,
      `${epoch}${tenant.base}`,
      'undefined',
      'null',
      '0',
    ]
    return [...known, ...known.map(sha1)].map((secret) => tenant.forge(last + 1, last + 3, lie, { secret }))
  },
  'signed in another way': (tenant) => {
    const { epoch, sign, last } = tenant.last
    const body = `${sign.slice(0, 16)} ${epoch} ${last + 1} ${last + 3}`
    const text = `${body}\n${lie}`
    return [sha1(text), sha1(`${body}\n${sha1(lie)}`), hmac(epoch, text), sign, '0'.repeat(40), 'f'.repeat(40)].map(
      (each) => `memis2 ${each} ${text}`,
    )
  },
  'that name another signature before': (tenant) => {
    const { last, sign } = tenant.last
    return ['0', 'f'.repeat(16), sign.slice(16, 32), sign, ''].map((before) =>
      tenant.forge(last + 1, last + 3).replace(sign.slice(0, 16), before),
    )
  },
  'that were true, one byte changed': (tenant) => {
    const { text } = tenant.last
    return Array.from({ length: 60 }, (_, i) => {
      const at = Math.floor((i * text.length) / 60)
      return `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`
    })
  },
  'that were true, shorter and longer': (tenant) => {
    const { text, payload } = tenant.last
    const ends = [' ', '\n', '\0', '\n[]', ',', payload].map((end) => text + end)
    return [...ends, ...[1, 2, 10, 40].map((n) => text.slice(0, -n)), text.slice(7), `memis2 ${text}`, ` ${text}`]
  },
  'with numbers at the limits': (tenant) => {
    const limits = [
      0,
      '00',
      '01',
      2 ** 31,
      2 ** 32,
      2 ** 53 - 1,
      2 ** 53,
      '9'.repeat(16),
      '9'.repeat(17),
      '-1',
      '1e3',
      '+1',
    ]
    return limits.flatMap((n) => [tenant.forge(n, n), tenant.forge(1, n), tenant.forge(n, 1)])
  },
  'with names that mean something': (tenant) => {
    const { last, text } = tenant.last
    const names = [
      ' x=1',
      ' a=1',
      ' v=0,1,2',
      ' k=-1,0,99',
      ` v=${'0,'.repeat(20_000)}0`,
      ' x=1 x=0',
      ' r=1',
      ' =',
      ' x=',
    ]
    return names.flatMap((extras) => [
      tenant.forge(last + 1, last + 3, lie, { extras }),
      text.replace('\n', `${extras}\n`),
    ])
  },
  'of epochs before, after and beside': (tenant) => {
    const { epoch, text, last } = tenant.last
    const ms = Number.parseInt(epoch, 16)
    const epochs = [ms - 1, ms, ms + 1, ms + 86_400_000, 0, 2 ** 44 - 1].map((time) => {
      return `${time.toString(16).padStart(11, '0')}-ffffffff`
    })
    return epochs.flatMap((each) => [text.replace(epoch, each), tenant.forge(last + 1, last + 1).replace(epoch, each)])
  },
  'that were true once, in every order': (tenant) => {
    const { heard } = tenant
    return [...heard, ...heard.toReversed(), ...heard.filter((_, i) => i % 2), ...heard.slice(-1), ...heard.slice(-1)]
  },
  'that are true of another collection': (tenant) => [...elsewhere.filter((text) => text !== tenant.last.text)],
  'that no parser should be given': (tenant) => {
    const { last } = tenant.last
    const payloads = ['', 'null', '{}', '[[]]', '['.repeat(200_000), '[["__proto__",0,{"__proto__":{"polluted":1}}]]']
    const headers = [
      'memis2',
      'memis2 ',
      'memis3 x',
      'MEMIS2 ',
      '\n\n\n',
      '\r\n',
      '\0'.repeat(99),
      '\ufeffmemis2',
      '{}',
      '',
    ]
    return [...payloads.map((payload) => tenant.forge(last + 1, last + 1, payload)), ...headers]
  },
  'that would be read again': (tenant) => {
    const { last } = tenant.last
    return [1, 2, 3, 50].flatMap((gap) => [
      tenant.forge(last + gap, last + gap, '', { extras: ' x=1' }),
      tenant.forge(last + gap + 1, last + gap + 1, '[["key 1"]]'),
    ])
  },
}

/** True notifications of a collection that the tenant may hear as well. */
const elsewhere: string[] = []
test.before(async () => {
  await using tenant = await Tenant.of(raw, ground.site.server, 'elsewhere')
  await using siege = await Siege.begin(ground, 'elsewhere')
  await siege.write('key 1')
  while (tenant.heard.length < 11) await new Promise((resolve) => setTimeout(resolve, 5))
  elsewhere.push(...tenant.heard)
})

const epochOf = (base: string) => raw.send('HMGET', `${base}/meta`, 'epoch', 'epochs')

for (const [what, make] of Object.entries(lies)) {
  test(`notifications ${what}: ignored, whether others write or not (H6)`, async () => {
    const name = `lies ${++count}`
    await using tenant = await Tenant.of(raw, ground.site.server, name)
    await using siege = await Siege.begin(ground, name)
    const epoch = await epochOf(tenant.base)
    await siege.endure(async () => {
      for (let i = 0; i < 3; i++) for (const message of make(tenant)) await tenant.publish(message)
    })
    assert.deepStrictEqual(siege.stales, [])
    assert.deepStrictEqual(await epochOf(tenant.base), epoch)
    const codes = new Set(siege.complaints.flatMap((each) => each.codes))
    for (const code of codes) assert.ok(['UNDECODABLE', 'UNTRUSTED'].includes(code), code)
  })
}

/** A message that might have contents read again. */
const provoking: Record<string, (tenant: Tenant) => readonly string[]> = {
  'a gap': (tenant) => [tenant.forge(tenant.last.last + 5, tenant.last.last + 5)],
  'places that were told': (tenant) => [tenant.forge(1, tenant.last.last + 9)],
  'the past, as it was': (tenant) => tenant.heard.slice(0, 3),
  'the past, all of it': (tenant) => [...tenant.heard],
  'one other epoch': (tenant) => [tenant.last.text.replace(tenant.last.epoch, '1a21f06a497-24dabc29')],
  'a thousand other epochs': (tenant) =>
    Array.from({ length: 1000 }, (_, i) => tenant.last.text.replace(tenant.last.epoch.slice(12), String(1e7 + i))),
  'contents too large to be sent': (tenant) => [
    tenant.forge(tenant.last.last + 1, tenant.last.last + 1, '', { extras: ' x=1' }),
  ],
  'a word': () => ['x'],
  nothing: () => [''],
  '100 KB': (tenant) => [tenant.forge(tenant.last.last + 1, tenant.last.last + 1, 'x'.repeat(100_000))],
}
const floodSize = 300

for (const [what, make] of Object.entries(provoking)) {
  test(`a flood that tells of ${what}: nothing is read again (H7)`, async () => {
    const name = `flood ${++count}`
    await using tenant = await Tenant.of(raw, ground.site.server, name)
    await using siege = await Siege.begin(ground, name, { options: { auditInterval: 1000 } })
    // So that reading everything again would be seen.
    await siege.items.setMany(Array.from({ length: 1000 }, (_, i) => [`bulk ${i}`, bulk(i)] as const))
    for (let i = 0; i < 1000; i++) siege.truth.set(`bulk ${i}`, bulk(i))
    let told = 0
    const { bytes } = await siege.endure(async () => {
      const messages = make(tenant)
      const size = messages.reduce((sum, { length }) => sum + length + 100, 0) / messages.length
      told += 2 * size * floodSize
      await tenant.flood(messages, floodSize)
    })
    assert.deepStrictEqual(siege.stales, [])
    // A joiner after each round reads all of it once, and what the true writer wrote was told.
    const truth = 2 * 1000 * 300
    assert.ok(bytes < told + truth + 1_000_000, `${bytes} bytes, ${told} of them the flood`)
  })
}

const bulk = (n: number) => ({ true: 1, text: 'x'.repeat(200), n })

/** Messages that arrive without end while somebody joins from afar. */
for (const [what, make] of Object.entries({
  ...provoking,
  'lies that follow on': lies['signed with what can be heard'],
})) {
  if (make === undefined || what === 'the past, all of it') continue
  test(`a joiner 40 ms away gets in while ${what} arrives without end (H7)`, async () => {
    const name = `joiners ${++count}`
    await using tenant = await Tenant.of(raw, ground.site.server, name)
    await using siege = await Siege.begin(ground, name)
    await using far = await slowly(ground.site.server, 20)
    const client = ground.site.client({ auditInterval: 100 }, far.port)
    await client.connect()
    const took = await siege.admits(client, () => tenant.flood(make(tenant), 20))
    note(`a joiner 40 ms away, ${what}: ${took.toFixed(0)} ms`)
    await siege.endure(() => tenant.flood(make(tenant), 20))
  })
}

test.run()
