/**
 * The package as a user gets it: packed, installed into an empty project, and used from there in every way that the
 * README promises. The installation is offline, so whatever memis needs at run time would be missed.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { prelude, snippets } from './snippets'

const root = resolve(__dirname, '../..')
const modules = join(root, 'node_modules')
const test = suite('package')
let project: string

/** The user's environment, not that of the `npm test` around us, which would have npm install into this repository. */
const env = Object.fromEntries(
  Object.entries({ ...process.env, NO_COLOR: '1' }).filter(
    ([name]) => !/^(npm_|NODE_|INIT_CWD|FORCE_COLOR)/i.test(name),
  ),
)

/** Resolves to what was printed, and to the exit code. */
async function run(cwd: string, command: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const options = { cwd, env, maxBuffer: 1e8 }
  return promisify(execFile)(command, args, options).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: `${stdout}${stderr}` }),
  )
}

const node = (...args: string[]) => run(project, process.execPath, ...args)

function isGood({ code, output }: { code: number; output: string }): void {
  assert.is(code, 0, output)
}

test.before(async () => {
  project = await realpath(await mkdtemp(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-package-')))
  await cp(join(__dirname, 'project'), project, { recursive: true })
  await writeFile(join(project, 'package.json'), '{ "name": "a-user", "private": true }\n')
  isGood(await run(root, 'npm', 'pack', '--pack-destination', project))
  const [tarball] = (await readdir(project)).filter((file) => file.endsWith('.tgz'))
  isGood(await run(project, 'npm', 'install', '--offline', '--no-audit', '--no-fund', `./${tarball}`))
})

test.after(() => rm(project, { recursive: true, force: true }))

test('nothing comes along with memis: no peers, no rxjs', async () => {
  const installed = (await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.'))
  assert.equal(installed, ['memis'])
})

const isMarkdown = (file: string) => file.endsWith('.md')

test('the tarball holds the built files, the papers and what they link to, and nothing else', async () => {
  const home = join(project, 'node_modules/memis')
  const linksOf = async (file: string) => {
    const text = await readFile(join(home, file), 'utf8')
    return [...text.matchAll(/\]\((?!http)([^)]+)\)/g)].map(([, path]) => join(dirname(file), path as string))
  }
  const fromReadme = await linksOf('README.md')
  const linked = [...fromReadme, ...(await Promise.all(fromReadme.filter(isMarkdown).map(linksOf))).flat()]
  assert.ok(linked.length > 5)
  const all = await readdir(home, { recursive: true, withFileTypes: true })
  const files = all
    .filter((each) => each.isFile())
    .map(({ parentPath, name }) => relative(home, join(parentPath, name)))
  const isBuilt = (file: string) => /^dist\/.*\.(m?js|d\.m?ts)$/.test(file)
  assert.ok(files.some(isBuilt))
  const papers = new Set(['LICENSE', 'README.md', 'package.json', ...linked])
  assert.equal(files.filter((file) => !isBuilt(file)).sort(), [...papers].sort())
  for (const paper of papers) assert.ok((await readFile(join(home, paper))).length > 0, paper)
})

for (const [file, what] of [
  ['use.mjs', 'works as an ES module'],
  ['use.cjs', 'works as CommonJS'],
  ['instances.mjs', 'is one and the same from both in one process'],
  ['missing-peer.cjs', 'names the command that installs a missing package'],
] as const) {
  test(`memis ${what}`, async () => isGood(await node(file)))
}

test('Jest, with its fake timers', async () => {
  const config = JSON.stringify({ transform: {}, watchman: false })
  const jest = join(modules, 'jest/bin/jest.js')
  const result = await node(jest, '--ci', '--config', config, '--rootDir', join(project, 'jest'))
  isGood(result)
  assert.match(result.output, /Tests: +1 passed, 1 total/)
})

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
async function link(name: string): Promise<void> {
  await mkdir(join(project, 'node_modules/@types'), { recursive: true })
  await symlink(join(modules, name), join(project, 'node_modules', name))
}

for (const peer of ['absent', 'there']) {
  test(`TypeScript, with the types of redis ${peer}: right compiles, wrong does not`, async () => {
    if (peer === 'absent') await link('@types/node')
    else await link('redis')
    const dir = join(project, `types-redis-${peer}`)
    await writeSnippets(dir)
    const { output } = await node(join(modules, 'typescript/bin/tsc'), '-p', dir, '--pretty', 'false')
    const faulty = new Set([...output.matchAll(/wrong-(\d+)\.ts\(/g)].map((match) => Number(match[1])))
    const others = output.split('\n').filter((line) => /error TS/.test(line) && !/wrong-\d+\.ts\(/.test(line))
    assert.equal(others, [], 'what is right compiles, and so do the types of memis')
    const missed = snippets.filter(({ needs }, i) => !faulty.has(i) && !(needs && peer === 'absent'))
    assert.equal(
      missed.map(({ wrong }) => wrong),
      [],
      'what is wrong does not compile',
    )
  })
}

test.run()
