/** Every block of TypeScript in the pages compiles, against the sources. */
import { execFileSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fileOf, programs } from './pages'
import { folder, openWorkshop, put, tsconfig } from './workshop'

const test = suite('docs: types')
const typed = programs.filter(({ language }) => language === 'ts')
const complaints = new Map<string, string[]>()

test.before(() => {
  openWorkshop()
  for (const program of typed) put(program)
  for (const line of compile().split('\n')) {
    const [, file, rest] = /^(?:.*\/)?([\w-]+\.mts)(\(.*)$/.exec(line) ?? []
    if (file === undefined || rest === undefined) continue
    complaints.set(file, [...(complaints.get(file) ?? []), rest])
  }
})

function compile(): string {
  try {
    const tsc = require.resolve('typescript/bin/tsc')
    return execFileSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', tsconfig], {
      cwd: folder,
      encoding: 'utf8',
    })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

test('there are programs', () => assert.ok(typed.length > 20, String(typed.length)))

for (const program of typed) {
  test(`${program.page}:${program.line} compiles`, () => {
    assert.equal(complaints.get(fileOf(program)) ?? [], [])
  })
}

test.run()
