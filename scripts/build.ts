/**
 * Makes dist: CommonJS by tsc, and for each entry of the package an ES module that exports the same objects. So a class exists
 * once, whichever way it is loaded.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { exports as entries, peerDependencies } from '../package.json'

const root = resolve(__dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const tsc = [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')]
if (spawnSync(process.execPath, tsc, { stdio: 'inherit' }).status !== 0) process.exit(1)

for (const entry of Object.values(entries)) {
  if (typeof entry === 'string') continue
  const cjs = join(root, entry.require.default)
  const names = Object.keys(require(cjs)).sort()
  const from = `'./${basename(cjs)}'`
  writeFileSync(join(root, entry.import.default), `import m from ${from}\nexport const { ${names.join(', ')} } = m\n`)
  writeFileSync(join(root, entry.import.types), `export * from ${from}\n`)
}

for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.d.ts')) continue
  const path = join(dist, file)
  writeFileSync(path, withOptionalPeers(file, readFileSync(path, 'utf8')))
}

/**
 * An optional peer may not be installed in a user's project, and tsc drops comments that would tolerate that. Other packages would
 * have to be installed along with memis: they are refused.
 */
function withOptionalPeers(file: string, text: string): string {
  const foreign = /(?:from|import|require\()\s*\(?\s*['"]([^'"]+)['"]/
  const lines = text.split('\n').map((line) => {
    const name = /^\s*(\*|\/[*/])/.test(line) ? undefined : foreign.exec(line)?.[1]
    if (!name || /^(\.|node:)/.test(name)) return line
    if (!(name in peerDependencies)) throw new Error(`${file}: the public types use ${name}: ${line}`)
    // An ignored line inside a declaration would also hide the user's own mistakes.
    if (!/^(import|export) type /.test(line))
      throw new Error(`${file}: import the types of ${name} in a line of its own: ${line}`)
    return `// @ts-ignore: ${name} is an optional peer\n${line}`
  })
  return lines.join('\n')
}
