/** The shortened script of a lone set: what it tells, what it gives way to, and how little it does. */
import assert from 'node:assert'
import { createHash } from 'node:crypto'
import { createClient as createRedisClient } from 'redis'
import { Direct, id, remove, set } from './direct'
import { baseOf, Raw, readItem, redisServer, suite, until } from './support'

const test = suite('lone set')
const base = baseOf(id.database, id.collection)
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/** How often each command was run by scripts. Only the full script runs HLEN. */
async function callsOf(raw: Raw): Promise<Record<string, number>> {
  const stats: string = await raw.send('INFO', 'commandstats')
  const found = [...stats.matchAll(/^cmdstat_(?!config|info|eval|ping)(\w+):calls=(\d+)/gm)]
  return Object.fromEntries(found.map(([, name, calls]) => [name, Number(calls)]))
}

/** The messages on the channel, each checked against the secret and the one before it. */
async function listen(url: string, raw: Raw) {
  const client = createRedisClient({ url })
  await client.connect()
  const heard: string[] = []
  await client.subscribe(base, (message) => void heard.push(message))
  return {
    async check(count: number): Promise<void> {
      await until(`${count} notifications`, () => heard.length >= count)
      const [epoch, last] = await raw.send('HMGET', `${base}/meta`, 'epoch', 'sign')
      const secret = epoch.split(' ')[3]
      let before = ''
      for (const message of heard) {
        const [line = '', payload = ''] = message.split('\n')
        const [, sign = '', ...rest] = line.split(' ')
        assert.strictEqual(sign, sha1(secret + sha1(`${secret}${rest.join(' ')}\n${sha1(payload)}`)), message)
        if (before !== '') assert.strictEqual(rest[0], before.slice(0, 16))
        before = sign
      }
      assert.strictEqual(before, last, 'the signature in meta is that of the last notification')
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  }
}

test('a lone set runs nine commands, whether or not others have written since the client was told', async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  const calm = { auditInterval: 60_000 }
  await using one = await Direct.open(server.url, calm)
  await using two = await Direct.open(server.url, calm)
  await using channel = await listen(server.url, raw)
  const followers = [await one.follow(), await two.follow()]
  for (const each of [one, two]) await each.accepted(set('a', { v: 0 })) // by the full script
  const cases = [
    ['after its own', two, { v: 1, text: 'é\n"' }],
    ['after one that it was not told of', one, { v: 2 }],
    ['after its own again', one, { v: 3, list: [1, { a: null }] }],
  ] as const
  await Promise.all(followers.map((follower) => follower.reached(2)))
  // Nobody tells this one of the others' writes.
  await using deaf = await Direct.open(server.url, calm)
  await deaf.accepted(set('b', { v: 0 }))
  let n = 3
  for (const [what, direct, item] of [...cases, ['of one that follows nothing', deaf, { v: 4 }] as const]) {
    let calls: Record<string, number> = {}
    // The full script takes a turn each second, which may be this one.
    await until('the shortened script has run', async () => {
      await raw.send('CONFIG', 'RESETSTAT')
      assert.strictEqual((await direct.accepted(set('a', item))).n, ++n, what)
      calls = await callsOf(raw)
      return calls.hlen === undefined
    })
    assert.deepStrictEqual(calls, { hmget: 1, exists: 1, get: 1, zadd: 1, del: 1, hset: 2, set: 1, publish: 1 }, what)
    assert.deepStrictEqual(await readItem(raw, `${base}:a`), item, what)
  }
  await channel.check(n)
  for (const follower of followers) {
    await follower.reached(n)
    assert.strictEqual(follower.error, null)
    assert.deepStrictEqual(follower.items, { a: { v: 4 }, b: { v: 0 } })
  }
  assert.deepStrictEqual([...one.codes, ...two.codes, ...deaf.codes], [])
})

/** Changes of the store after a lone set; the full script accepts the next one, and every item stays. */
const troubles: Record<string, readonly (readonly string[])[]> = {
  'the log is gone': [['DEL', `${base}/log`]],
  'the log is gone, and there are times that nobody set': [
    ['DEL', `${base}/log`],
    ['ZADD', `${base}/ttl`, '1', 'x'],
  ],
  'there are times that nobody set': [['ZADD', `${base}/ttl`, '-1', 'a']],
  'the head is malformed': [['HSET', `${base}/meta`, 'head', '05']],
  'the signature is malformed': [['HSET', `${base}/meta`, 'sign', 'x']],
  'the cards are malformed': [['HSET', `${base}/meta`, 'cards', '1 0 0']],
  'meta is gone': [['DEL', `${base}/meta`]],
  'the server has another id': [['HSET', `${base}/meta`, 'epoch', 'x']],
}
for (const [what, commands] of Object.entries(troubles)) {
  test(`a lone set gives way to the full script: ${what}`, async () => {
    await using server = await redisServer()
    await using raw = await Raw.connect(server.url)
    await using direct = await Direct.open(server.url)
    for (const v of [1, 2, 3]) await direct.accepted(set('a', { v }))
    for (const command of commands) await raw.send(...command)
    await raw.send('CONFIG', 'RESETSTAT')
    // The store went back, or has less: the first attempt may be refused, and is repeated.
    const batch = direct.batch([set('b', { v: 4 })])
    await until('the set is accepted', () =>
      direct.transport.write(id, batch).then(
        () => true,
        () => false,
      ),
    )
    assert.ok(((await callsOf(raw)).hlen ?? 0) > 0, 'the full script has run')
    assert.deepStrictEqual(await readItem(raw, `${base}:b`), { v: 4 })
    await direct.accepted(remove('none'))
    const [logged, timed] = (await raw.send('HGET', `${base}/meta`, 'cards')).split(' ').map(Number)
    assert.deepStrictEqual(
      [await raw.send('ZCARD', `${base}/log`), await raw.send('ZCARD', `${base}/ttl`)],
      [logged, timed],
    )
  })
}

test.run()
