/** A folder in which the programs of the pages lie as files of their own and find memis under its name. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileOf, type Program, root } from './pages'

/** Inside of the repository, so that node_modules is found; git and the linter ignore it. */
export const folder = join(root, `.cache/docs-${process.pid}`)
export const tsconfig = join(folder, 'tsconfig.json')

/** Removed when the process ends. */
export function openWorkshop(): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      paths: {
        memis: ['../../src/index.ts'],
        'memis/transport': ['../../src/transport-kit.ts'],
        'memis/conformance': ['../../src/conformance/index.ts'],
      },
      rootDir: '../..',
    },
    include: ['*.mts'],
  }
  writeFileSync(tsconfig, JSON.stringify(config))
}

/** Writes the program, with some text replaced, and returns its path. */
export function put(program: Program, replaced: Readonly<Record<string, string>> = {}): string {
  const path = join(folder, fileOf(program))
  let { code } = program
  for (const [text, by] of Object.entries(replaced)) code = code.replaceAll(text, by)
  // A program without imports of its own would be a script, in which all declarations are global.
  writeFileSync(path, `${code}export {}\n`)
  return path
}
