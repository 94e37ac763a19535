/** The demo as a newcomer runs it: what it prints, its exit code, and that it leaves nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { connect } from 'nats'
import { createClient } from 'redis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../../scripts/demo/arguments'
import { differences } from '../../scripts/demo/differences'
import { draw } from '../../scripts/demo/picture'
import { type Item, readRecords } from '../../scripts/demo/records'
import { Stage } from '../../scripts/demo/stage'
import { startNats, startRedis } from '../support/servers'
import { until } from '../support/testing'

const test = suite('demo')

const root = resolve(__dirname, '../..')
const dir = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-demo-'))

interface Run {
  child: ChildProcess
  output: string
  done: Promise<{ code: number | null; output: string }>
}

const demo = (...args: string[]): Run => start(args, {})

function start(args: string[], options: { detached?: boolean }): Run {
  // If each of its processes wrote down its coverage, that would take longer than the demo.
  const env = { ...process.env, NODE_V8_COVERAGE: '' }
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/demo.ts', ...args], { cwd: root, env, ...options })
  const run: Run = { child, output: '', done: Promise.resolve({ code: null, output: '' }) }
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (run.output += text))
  run.done = new Promise((resolve) => child.on('close', (code) => resolve({ code, output: run.output })))
  return run
}

function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text)
  return join(dir, name)
}

/** What stays in the store. */
async function lasting(url: string): Promise<string[]> {
  if (url.startsWith('nats:')) {
    const connection = await connect({ servers: new URL(url).host })
    const names = await (await connection.jetstreamManager()).streams.names().next()
    await connection.close()
    return names
  }
  const client = createClient({ url })
  await client.connect()
  const keys: string[] = []
  for (const key of await client.keys('*')) if ((await client.pTTL(key)) < 0) keys.push(key)
  client.destroy()
  return keys
}

test.after(() => rmSync(dir, { recursive: true, force: true }))

// They mostly wait: all at once.
const records = [{ id: 7, name: 'a\x1b[2J\u0007', v: -0 }, JSON.parse('{"id":"__proto__","__proto__":{"x":null}}')]
const plain = demo()
const own = demo(file('own.json', JSON.stringify(records)))
const unreachable = demo('redis://me:secret@127.0.0.1:1')

test('in memory, line by line', async () => {
  const { code, output } = await plain.done
  assert.is(code, 0, output)
  assert.match(output, 'memis demo: 250 records of world-countries')
  assert.match(output, 'A, B and C: live; set of 250 items')
  assert.match(output, 'A, B and C: set NLD (note: hi!)')
  assert.match(output, 'C: set flash-1, flash-2, flash-3; stale, serves 253 items')
  assert.match(output, 'A and B: set of 5 items; delete ATA; expire flash-1, flash-2, flash-3')
  assert.match(output, 'C: expire (stale) flash-1, flash-2, flash-3')
  assert.match(output, 'C: set (resync) of 5 items; delete (resync) ATA; live')
  assert.match(output, 'A, B and C: stale, serves 249 items')
  assert.match(output, /A and B put back 249 items in [\d.]+ m?s\. The waiting write was accepted\./)
  assert.match(output, 'D: set (snapshot) of 250 items; live')
  assert.match(output, /reads in one server: [\d.]+ million a second/)
  assert.match(output, /one write, until all 3 others have it: [\d.]+ m?s \(median of \d+\)/)
  assert.match(output, /writes, each applied in 3 others: [\d,]+ a second/)
  assert.match(output, /\nAll 4 replicas are equal: 250 items, compared one by one\.\n$/)
  assert.not.match(output, '\x1b')
})

test("the user's own records: keys from a field, hostile values", async () => {
  const { code, output } = await own.done
  assert.is(code, 0, output)
  assert.match(output, 'memis demo: 2 records of own.json')
  assert.match(output, 'set 7 (a·[2J·), __proto__')
  assert.match(output, /\nAll 4 replicas are equal: 2 items/)
})

test('bad arguments and files', async () => {
  const cases: [args: string[], says: RegExp][] = [
    [['redis://a', 'redis://b'], /^Give one store URL(.|\n)*Usage/],
    [['a.json', 'b.json'], /^Give one file(.|\n)*Usage/],
    [['no-such.json'], /^no-such.json cannot be read: ENOENT/],
    [[file('bad.json', '{"a":')], /bad.json holds no JSON/],
    [[file('numbers.json', '[{}, 1]')], /its element 1 is a number/],
    [[file('empty.json', '{}')], /it is empty/],
  ]
  for (const [args, says] of cases) {
    const refused = await Promise.resolve(args)
      .then((args) => readRecords(parseArguments(args).file))
      .then(
        () => assert.unreachable(args.join(' ')),
        (error) => error,
      )
    assert.match(refused.message, says)
    assert.is(refused.exitCode, 2)
  }
  const wrong = [['--loud'], ['http://127.0.0.1'], ['rediss://127.0.0.1'], [file('key.json', '{"":{}}')]]
  const runs = wrong.map((args) => demo(...args).done)
  const said = [
    /^There is no option --loud(.|\n)*Usage/,
    /^This is no store URL for the demo: the scheme http is not supported(.|\n)*Usage/,
    /^The demo cuts links in a proxy of its own, and TLS allows no proxy(.|\n)*Usage/,
    /a key must not be empty/,
  ]
  for (const [i, { code, output }] of (await Promise.all(runs)).entries()) {
    assert.match(output, said[i] as RegExp)
    assert.is(code, 2, output)
  }
})

test('keys come from the first field that every record has, each another', async () => {
  const keys = async (json: unknown) => [...(await readRecords(file('keys.json', JSON.stringify(json)))).items.keys()]
  assert.equal(await keys([{ id: 1, name: 'a' }, { id: 'x' }]), ['1', 'x'])
  assert.equal(
    await keys([
      { id: 1, name: 'a' },
      { id: 1, name: 'b' },
    ]),
    ['a', 'b'],
  )
  assert.equal(await keys([{ id: 1 }, { id: '' }]), ['0', '1'])
  assert.equal(await keys({ one: {}, two: {} }), ['one', 'two'])
})

test('a store that cannot be reached', async () => {
  const { code, output } = await unreachable.done
  assert.match(output, /The store redis:\/\/127.0.0.1:1 cannot be used: .*ECONNREFUSED/)
  assert.is(code, 1, output)
  assert.not.match(output, 'secret')
})

test('on Redis, with a process for each server; also if it is interrupted', async () => {
  const server = await startRedis()
  try {
    const whole = demo(server.url)
    const { code, pid, output } = await endAt('4/9', server.url, (pid) => process.kill(-pid, 'SIGINT'))
    assert.is(code, 130, output)
    // Its servers end soon after it.
    await until('all servers have ended', () => !lives(-pid))
    await isComplete(whole, server.url)
  } finally {
    await server.stop()
  }
})

test('on NATS; also if it is killed, and its servers have to tidy up', async () => {
  const server = await startNats()
  try {
    const whole = demo(server.url)
    await endAt('4/9', server.url, (pid) => process.kill(pid, 'SIGKILL'))
    await isComplete(whole, server.url)
  } finally {
    await server.stop()
  }
})

async function isComplete({ done }: Run, url: string): Promise<void> {
  const { code, output } = await done
  assert.is(code, 0, output)
  assert.match(output, /It was sent the 6 changes that it missed \([\d.]+ KB, not [\d.]+ KB\)/)
  assert.match(output, /A and B put back 249 items in/)
  assert.match(output, /\nAll 4 replicas are equal: 250 items, compared one by one\.\n$/)
  let left: string[] = []
  const isTidy = async () => {
    left = await lasting(url)
    return left.length === 0
  }
  await until('nothing is left in the store', isTidy, 10_000).catch(() => assert.equal(left, []))
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** In a process group of its own, which Ctrl-C in a terminal reaches as a whole. */
async function endAt(text: string, url: string, end: (pid: number) => void) {
  const run = start([url], { detached: true })
  const pid = run.child.pid as number
  let ended = false
  run.child.stdout?.on('data', () => {
    if (ended || !run.output.includes(text)) return
    ended = true
    end(pid)
  })
  return { ...(await run.done), pid }
}

test('differences are found', () => {
  const wanted = new Map<string, Item>([
    ['a', { x: [1] }],
    ['b', {}],
    ['c', {}],
  ])
  assert.equal(differences(wanted, new Map([...wanted].reverse())), [])
  const held = new Map<string, Item>([
    ['a', { x: ['1'] }],
    ['b', {}],
    ['d', {}],
  ])
  assert.equal(differences(wanted, held), ['"a" differs', '"c" is missing', '"d" should not be there'])
})

test('the picture fits, whatever stands in it', () => {
  const view = { open() {}, step() {}, report() {}, result() {}, close() {} }
  const stage = new Stage(view, 'records '.repeat(20), `redis://${'host.'.repeat(30)}`, 3, 9)
  stage.begin('word '.repeat(28).trim())
  stage.end('result '.repeat(20))
  stage.countdowns = [{ key: 'flash-1'.repeat(9), ttl: 2, setAt: 0, gone: [] }]
  for (const [i, seat] of stage.seats.entries()) {
    if (i === 3) continue
    seat.pid = 4194304
    seat.server = {} as never
    for (const key of ['漢字'.repeat(20), '👩‍👩‍👧'.repeat(20), 'e\u0301'.repeat(60), 'x\ny\x1b[2J']) {
      stage.hear(seat, { what: 'set', key, detail: 'd'.repeat(99), cause: 'live', size: 123456789, at: 400 })
    }
    stage.hear(seat, { what: 'fault', message: 'm'.repeat(200) })
    stage.hear(seat, { what: 'stale', size: 123456789, at: 400 })
    if (i === 2) stage.hear(seat, { what: 'ready', lost: 99999999, restored: 99999999, size: 123456789, at: 400 })
    seat.isCut = i === 1
  }
  for (const [width, height] of [
    [80, 24],
    [101, 31],
    [120, 60],
  ] as const) {
    stage.figures = width === 101 ? [['figure '.repeat(9), 'value '.repeat(30)]] : []
    stage.storeState = width === 120 ? 'gone' : 'up'
    const lines = draw(stage, { width, height, color: false }, 500)
    assert.ok(lines.length < height, `${lines.length} lines`)
    for (const line of lines) {
      assert.is(columns(line), width, line)
      assert.not.match(line, /\p{Cc}/u)
    }
    const colored = draw(stage, { width, height, color: true }, 500)
    assert.equal(
      colored.map((line) => stripVTControlCharacters(line)),
      lines,
    )
  }
})

/** Columns of a text that has no other wide characters than those above. */
function columns(line: string): number {
  const characters = [...new Intl.Segmenter().segment(line)].map(({ segment }) => segment)
  return characters.reduce((sum, one) => sum + (/[漢字👩]/u.test(one) ? 2 : 1), 0)
}

test.run()
