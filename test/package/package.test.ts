/**
 * The package as a user gets it: packed, installed into an empty project, and used from there in every way that the
 * documentation promises. The installation is offline, so whatever memis needs at run time would be missed.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { fileOf, programs } from '../docs/pages'
import { type Server, startNats, startRedis } from '../support/servers'
import { suite } from '../support/testing'
import { prelude, snippets } from './snippets'

const root = resolve(__dirname, '../..')
const modules = join(root, 'node_modules')
const test = suite('package', 120_000)
let project: string

/** The user's environment, not that of the `npm test` around us, which would have npm install into this repository. */
const env = Object.fromEntries(
  Object.entries({ ...process.env, NO_COLOR: '1' }).filter(
    ([name]) => !/^(npm_|NODE_|INIT_CWD|FORCE_COLOR)/i.test(name),
  ),
)

interface Printed {
  readonly code: number
  readonly output: string
}

async function run(cwd: string, command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const options = { cwd, env: { ...env, ...more }, maxBuffer: 1e8, timeout: 110_000, killSignal: 'SIGKILL' } as const
  return promisify(execFile)(command, args, options).then(
    ({ stdout, stderr }): Printed => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }): Printed => ({ code, output: `${stdout}${stderr}` }),
  )
}

const node = (...args: string[]) => run(project, process.execPath, args)

function isGood({ code, output }: Printed): void {
  // An error in a minified bundle shows all of its code.
  const short = output.split('\n').map((line) => line.slice(0, 300))
  assert.is(code, 0, short.join('\n'))
}

test.before(async () => {
  project = await realpath(await mkdtemp(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-package-')))
  await cp(join(__dirname, 'project'), project, { recursive: true })
  await writeFile(join(project, 'package.json'), '{ "name": "a-user", "private": true }\n')
  isGood(await run(root, 'npm', ['pack', '--pack-destination', project]))
  const [tarball] = (await readdir(project)).filter((file) => file.endsWith('.tgz'))
  isGood(await run(project, 'npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`]))
})

test.after(() => rm(project, { recursive: true, force: true }))

const outside = ['redis', 'nats', '@nats-io/transport-node'].map((name) => `--external:${name}`)
const asModule = [
  '--format=esm',
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
]

/** Bundles an entry with the flags that docs/bundling.md gives, and returns the bundle's name. */
async function bundle(entry: string, name: string, ...flags: string[]): Promise<string> {
  const common = ['--bundle', '--platform=node', '--target=node20', `--outfile=${name}`]
  isGood(await run(project, join(modules, 'esbuild/bin/esbuild'), [entry, ...common, ...flags]))
  return name
}

test('nothing comes along with memis: no peers, no rxjs', async () => {
  const installed = (await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.'))
  assert.equal(installed, ['memis'])
})

/** All files that can be reached from a page by relative links, the page included; of a folder, all that is in it. */
async function linkedFrom(home: string, page: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(page)) return found
  const inside = await readdir(join(home, page)).catch(() => undefined)
  if (inside !== undefined) {
    for (const file of inside) await linkedFrom(home, join(page, file), found)
    return found
  }
  found.add(page)
  if (!page.endsWith('.md')) return found
  const text = await readFile(join(home, page), 'utf8')
  for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
    await linkedFrom(home, join(dirname(page), link as string), found)
  }
  return found
}

test('the tarball holds the built files, the pages and what they link to, and nothing else', async () => {
  const home = join(project, 'node_modules/memis')
  const linked = await linkedFrom(home, 'README.md')
  assert.ok(linked.size > 15, [...linked].join())
  const all = await readdir(home, { recursive: true, withFileTypes: true })
  const files = all
    .filter((each) => each.isFile())
    .map(({ parentPath, name }) => relative(home, join(parentPath, name)))
  const isBuilt = (file: string) => /^dist\/.*\.(m?js|d\.m?ts)$/.test(file)
  assert.ok(files.some(isBuilt))
  const papers = new Set(['LICENSE', 'package.json', 'CHANGELOG.md', ...linked])
  assert.equal(files.filter((file) => !isBuilt(file)).sort(), [...papers].sort())
  for (const paper of papers) assert.ok((await readFile(join(home, paper))).length > 0, paper)
})

for (const [file, what] of [
  ['use.mjs', 'works as an ES module'],
  ['use.cjs', 'works as CommonJS'],
  ['instances.mjs', 'is one and the same from both in one process'],
  ['missing-peer.cjs', 'names the command that installs a missing package'],
  ['side-effects.cjs', 'has no side effect when it is imported'],
] as const) {
  test(`memis ${what}`, async () => isGood(await node(file)))
}

test('a bundle, while no package of a store is installed', async () => {
  for (const file of ['use.cjs', 'missing-peer.cjs']) isGood(await node(await bundle(file, `bare-${file}`, '--minify')))
})

test('two copies of memis in one process', async () => {
  await cp(join(project, 'node_modules/memis'), join(project, 'node_modules/memis-copy'), { recursive: true })
  isGood(await node('copies.cjs'))
})

test('Jest, with its fake timers', async () => {
  const result = await jest('fake-timers')
  isGood(result)
  assert.match(result.output, /Tests: +1 passed, 1 total/)
})

function jest(file: string, more: NodeJS.ProcessEnv = {}): Promise<Printed> {
  const config = JSON.stringify({ transform: {}, watchman: false })
  const bin = join(modules, 'jest/bin/jest.js')
  const args = [
    '--expose-gc',
    bin,
    '--ci',
    '--runInBand',
    '--testTimeout=60000',
    '--config',
    config,
    '--rootDir',
    join(project, 'jest'),
    file,
  ]
  return run(project, process.execPath, args, more)
}

test('node:test, with its mock timers', async () => {
  const result = await node('node-test/mock-timers.cjs')
  isGood(result)
  assert.match(result.output, /^done$/m)
})

test('vitest, with its fake timers', async () => {
  const vitest = join(modules, 'vitest/vitest.mjs')
  const result = await node(vitest, 'run', '--globals', '--root', join(project, 'vitest'))
  isGood(result)
  assert.match(result.output, /Tests +1 passed \(1\)/)
})

// As strict as a user can be. `types` of node alone, which a project on Node has.
const tsconfig = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'ES2022',
    module: 'node16',
    types: ['node'],
  },
}

/** The snippets as files of their own; `right` twice, as an ES module and as CommonJS. */
async function writeSnippets(dir: string): Promise<void> {
  await mkdir(dir)
  await writeFile(join(dir, 'tsconfig.json'), JSON.stringify(tsconfig))
  const file = (code: string) => `${prelude}\nexport async function run() {\n${code}\n}\n`
  for (const [i, { right, wrong }] of snippets.entries()) {
    await writeFile(join(dir, `right-${i}.mts`), file(right))
    await writeFile(join(dir, `right-${i}.cts`), file(right))
    await writeFile(join(dir, `wrong-${i}.ts`), file(wrong))
  }
}

/** Links what the repository has installed into the project. */
async function link(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(project, 'node_modules', name)), { recursive: true })
    await symlink(join(modules, name), join(project, 'node_modules', name))
  }
}

for (const peers of ['absent', 'there']) {
  test(`TypeScript, with the types of the stores ${peers}: right compiles, wrong does not`, async () => {
    if (peers === 'absent') await link('@types/node')
    else await link('redis', 'nats', '@nats-io/transport-node')
    const dir = join(project, `types-${peers}`)
    await writeSnippets(dir)
    if (peers === 'there') {
      for (const program of programs.filter(({ language }) => language === 'ts')) {
        await writeFile(join(dir, fileOf(program)), `${program.code}export {}\n`)
      }
    }
    const { output } = await node(join(modules, 'typescript/bin/tsc'), '-p', dir, '--pretty', 'false')
    const faulty = new Set([...output.matchAll(/wrong-(\d+)\.ts\(/g)].map((match) => Number(match[1])))
    // The types of NATS do not stand the strictest options themselves.
    const isOurs = (line: string) => !/wrong-\d+\.ts\(|node_modules\/(nats|@nats-io)\//.test(line)
    const others = output.split('\n').filter((line) => /error TS/.test(line) && isOurs(line))
    assert.equal(others, [], 'everything that is right compiles, and so do the types of memis')
    const missed = snippets.filter(({ needs }, i) => !faulty.has(i) && !(needs && peers === 'absent'))
    assert.equal(
      missed.map(({ wrong }) => wrong),
      [],
      'everything that is wrong does not compile',
    )
  })
}

// Here the packages of the stores are linked.

/** What every way of loading memis must lead to: see `behave.cjs`. */
const replicated = () => ({
  items: [['coldplay', { genre: 'Alternative', plays: 2 }]],
  isFrozen: true,
  events: ['set coldplay', 'set coldplay', 'set muse', 'expire muse'],
})
const expected = {
  redis: replicated(),
  nats: replicated(),
  memory: replicated(),
  'Redis, wrong password': 'UNAUTHORIZED',
  'NATS, wrong password': 'UNAUTHORIZED',
  'Redis is full': 'STORE_REFUSED no true',
  'wrong item': 'INVALID_ITEM true',
}

/** Calls back with the URLs that `behave` takes, as JSON. */
async function withServers(use: (servers: string) => Promise<void>): Promise<void> {
  const servers: Server[] = []
  const started = async (server: Promise<Server>) => {
    servers.push(await server)
    return (await server).url
  }
  const wrong = (url: string) => url.replace('secret', 'wrong')
  try {
    const urls = {
      redis: await started(startRedis()),
      fullRedis: await started(startRedis({ args: ['--maxmemory', '1'] })),
      lockedRedis: wrong(await started(startRedis({ password: 'secret' }))),
      nats: await started(startNats()),
      lockedNats: wrong(await started(startNats({ password: 'secret' }))),
    }
    await use(JSON.stringify(urls))
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

const ways: Readonly<Record<string, () => Promise<string>>> = {
  'as an ES module': async () => 'run.mjs',
  'as CommonJS': async () => 'run.cjs',
  'in a worker thread': async () => 'worker.mjs',
  'in a bundle': () => bundle('run.cjs', 'bundle.cjs', ...outside),
  'in a minified bundle': () => bundle('run.cjs', 'outside.cjs', '--minify', ...outside),
  'in a minified bundle, with the packages of the stores': () => bundle('run.cjs', 'inside.cjs', '--minify'),
  'in a minified ES module': () => bundle('run.mjs', 'outside.mjs', '--minify', ...asModule, ...outside),
  'in a minified ES module, with the packages of the stores': () =>
    bundle('run.mjs', 'inside.mjs', '--minify', ...asModule),
}

test('memis behaves the same, however it is loaded', () =>
  withServers(async (servers) => {
    const outcomes = Object.entries(ways).map(async ([way, file]) => {
      const result = await node(await file(), servers)
      isGood(result)
      // The outcome is the last line: a store may give reason to warn.
      return [way, JSON.parse(result.output.trim().split('\n').at(-1) as string)] as const
    })
    for (const [way, outcome] of await Promise.all(outcomes)) assert.equal(outcome, expected, way)
  }))

test("Jest's module registry: memis behaves the same in each, and leaves nothing behind", () =>
  withServers(async (SERVERS) => {
    const result = await jest('registry', { SERVERS, EXPECTED: JSON.stringify(expected) })
    isGood(result)
    assert.match(result.output, /Tests: +2 passed, 2 total/)
  }))

test.run()
