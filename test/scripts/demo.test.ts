/** The demo as a newcomer runs it: its last line, its exit code, and what it leaves behind, which is nothing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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
  // Its many processes would each write down what they have covered, which takes longer than the demo.
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

/** What is in the store for longer than some minutes. */
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

// Most of the time they wait: all at once.
const records = [{ id: 7, name: 'a\x1b[2J\u0007', v: -0 }, JSON.parse('{"id":"__proto__","__proto__":{"x":null}}')]
const plain = demo()
const own = demo(file('own.json', JSON.stringify(records)))
const unreachable = demo('redis://me:secret@127.0.0.1:1')

test('in memory, line by line', async () => {
  const { code, output } = await plain.done
  assert.is(code, 0, output)
  assert.match(output, 'memis demo: 250 records of world-countries')
  assert.match(output, 'A, B and C: set of 250 items')
  assert.match(output, 'A, B and C: set NLD (note: hi!)')
  assert.match(output, 'expire flash-1, flash-2, flash-3')
  assert.match(output, 'A, B and C: delete ATA')
  assert.match(output, 'D: set (snapshot) of 249 items; live')
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
    [['redis://a', 'redis://b'], /^One store URL is enough(.|\n)*Usage/],
    [['a.json', 'b.json'], /^One file is enough(.|\n)*Usage/],
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
  const runs = [['--loud'], ['http://127.0.0.1'], [file('key.json', '{"":{}}')]].map((args) => demo(...args).done)
  const said = [
    /^There is no option --loud(.|\n)*Usage/,
    /^This is no store URL(.|\n)*Usage/,
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
  assert.match(output, /^The store redis:\/\/127.0.0.1:1 cannot be used: .*ECONNREFUSED/)
  assert.is(code, 1, output)
  assert.not.match(output, 'secret')
})

for (const [name, startServer] of [
  ['Redis', startRedis],
  ['NATS', () => startNats()],
] as const) {
  test(`on ${name}, with a process for each server; also when it is interrupted or killed`, async () => {
    const server = await startServer()
    try {
      const whole = demo(server.url)
      const [interrupted] = await Promise.all([
        endAt('4/8', server.url, (pid) => process.kill(-pid, 'SIGINT')),
        endAt('4/8', server.url, (pid) => process.kill(pid, 'SIGKILL')),
      ])
      assert.is(interrupted.code, 130, interrupted.output)
      // The servers end with it, each as soon as it notices.
      const soon = performance.now() + 20_000
      const lives = () => {
        try {
          return process.kill(-interrupted.pid, 0)
        } catch {
          return false
        }
      }
      while (lives()) {
        assert.ok(performance.now() < soon, 'a server outlives the demo')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const { code, output } = await whole.done
      assert.is(code, 0, output)
      assert.match(output, /\nAll 4 replicas are equal: 250 items, compared one by one\.\n$/)
      // The servers of the killed one do that by themselves.
      const deadline = performance.now() + 5000
      while ((await lasting(server.url)).length > 0 && performance.now() < deadline) await sleep(50)
      assert.equal(await lasting(server.url), [])
    } finally {
      await server.stop()
    }
  })
}

/** In a process group of its own, all of which Ctrl-C in a terminal reaches. */
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
  const stage = new Stage(view, 'records '.repeat(20), `redis://${'host.'.repeat(30)}`, 3, 8, ['A', 'B', 'C', 'D'])
  stage.begin('word '.repeat(28).trim())
  stage.end('result '.repeat(20))
  stage.countdowns = [{ key: 'flash-1'.repeat(9), ttl: 2, setAt: 0, gone: [] }]
  for (const [i, seat] of stage.seats.entries()) {
    if (i === 3) continue
    seat.pid = 4194304
    seat.server = {} as never
    for (const key of ['漢字'.repeat(20), '👩‍👩‍👧'.repeat(20), 'e\u0301'.repeat(60), 'x\ny\x1b[2J']) {
      stage.hear(seat, { what: 'set', key, detail: 'd'.repeat(99), cause: 'live', size: 123456789 })
    }
    stage.hear(seat, { what: 'fault', message: 'm'.repeat(200) })
    stage.hear(seat, { what: 'state', state: 'stale', size: 123456789 })
  }
  for (const [width, height] of [
    [80, 24],
    [101, 31],
    [120, 60],
  ] as const) {
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
