/**
 * The pages themselves: their links lead somewhere, their figures are those of the bench, and what they list is complete.
 * `npx tsx test/docs/pages.test.ts --renew` writes the figures of scripts/bench/results.json into them.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCodes } from '../../src'
import { ownOptions } from '../../src/core/options'
import { renewFigures, withFigures } from './figures'
import { blocksOf, pages, root, textOf, withoutBlocks } from './pages'

if (process.argv.includes('--renew')) for (const page of pages) renewFigures(page)

const test = suite('docs: pages')

/** The page without code: neither blocks, nor words between backticks. */
const proseOf = (page: string): string =>
  withoutBlocks(page)
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/`[^`\n]*`/g, 'code')

/** The anchors that GitHub makes of headings. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of withoutBlocks(page).matchAll(/^#+ (.*)$/gm)) {
    const anchor = (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    let unique = anchor
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`
    anchors.add(unique)
  }
  return anchors
}

function isBroken(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  if (/^https?:/.test(path)) return false
  const target = path === '' ? page : normalize(join(dirname(page), path))
  if (!existsSync(join(root, target)) || !statSync(join(root, target)).isFile()) return true
  return anchor !== undefined && !anchorsOf(target).has(anchor)
}

for (const page of pages) {
  test(`${page}: links lead to files and headings that exist`, () => {
    const links = [...withoutBlocks(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string)
    assert.equal(
      links.filter((link) => isBroken(page, link)),
      [],
    )
  })

  test(`${page}: figures are those of the bench`, () => assert.is(textOf(page), withFigures(page)))

  test(`${page}: plain words`, () => {
    const starts = /(?:^|[.!?:] |\n\s*(?:[-*]|\d+\.) |\| |\n\n)\**(Of|What|Who|Where|Whoever|Whatever)\b.{0,40}/g
    const found = [
      ...proseOf(page)
        .replace(/^#+ .*$/gm, '')
        .matchAll(starts),
    ].map(([text]) => text.trim())
    assert.equal(found, [])
  })

  test(`${page}: names only codes of errors that exist`, () => {
    const prefixes = new Set(Object.keys(errorCodes).map((code) => code.split('_')[0]))
    const named = [...textOf(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code as string)
    const unknown = named.filter((code) => !(code in errorCodes) && prefixes.has(code.split('_')[0]))
    assert.equal(unknown, [])
  })
}

test('README.md has at most 150 lines', () => assert.ok(textOf('README.md').trimEnd().split('\n').length <= 150))

test('README.md links to every page of docs', () => {
  const missing = pages.filter((page) => page.startsWith('docs/') && !textOf('README.md').includes(`(${page}`))
  assert.equal(missing, [])
})

test('each code of an error that a user can do something about is in docs/troubleshooting.md', () => {
  const text = textOf('docs/troubleshooting.md')
  const obvious = ['UNSUBSCRIBED', 'ABORTED', 'CLOSED', 'NOT_FOUND', 'INVALID_LISTENER', 'INVALID_NAME']
  const missing = Object.keys(errorCodes).filter((code) => !obvious.includes(code) && !text.includes(`\`${code}\``))
  assert.equal(missing, [])
})

const program = ts.createProgram([join(root, 'src/index.ts')], {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  skipLibCheck: true,
  strict: true,
  stripInternal: true,
  types: ['node'],
})
const checker = program.getTypeChecker()
const index = program.getSourceFile(join(root, 'src/index.ts')) as ts.SourceFile
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(index) as ts.Symbol)

/** Of an exported class or interface: members that a user can see. */
function membersOf(name: string): string[] {
  const symbol = exported.find((each) => each.name === name) as ts.Symbol
  const resolved = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  return checker
    .getDeclaredTypeOfSymbol(resolved)
    .getProperties()
    .filter((member) => {
      // Others are inherited: an Error has a stack.
      if (!member.declarations?.[0]?.getSourceFile().fileName.startsWith(join(root, 'src'))) return false
      const isHidden = member.getJsDocTags(checker).some(({ name }) => name === 'internal')
      const isNever = checker.typeToString(checker.getTypeOfSymbol(member)) === 'never'
      // The names of private fields and symbols are mangled.
      return !isHidden && !isNever && /^[a-z]\w*$/i.test(member.name)
    })
    .map(({ name }) => name)
}

/** The words between backticks, and in headings. */
const wordsOf = (page: string): Set<string> =>
  new Set(
    [...textOf(page).matchAll(/`([^`\n]+)`|^#+ (.*)$/gm)].flatMap(([, code, heading]) =>
      (code ?? heading ?? '').split(/\W+/),
    ),
  )

test('docs/api.md names every export', () => {
  const words = wordsOf('docs/api.md')
  assert.equal(
    exported.map(({ name }) => name).filter((name) => !words.has(name)),
    [],
  )
})

for (const name of ['Client', 'Database', 'Collection', 'MemisError', 'Freshness', 'Change', 'ReadyInfo']) {
  test(`docs/api.md names every member of ${name}`, () => {
    const members = membersOf(name)
    assert.ok(members.length > 1, String(members))
    const words = wordsOf('docs/api.md')
    assert.equal(
      members.filter((member) => !words.has(member)),
      [],
    )
  })
}

test('docs/testing.md names every method of MemoryHub', () => {
  const words = wordsOf('docs/testing.md')
  assert.equal(
    membersOf('MemoryHub').filter((member) => !words.has(member)),
    [],
  )
})

test('the pages mention options by names that exist', () => {
  const known = new Set([...ownOptions, 'maxBytes']) // of a NATS bucket
  const suspects =
    /\b(writeTimeout|maxPending\w*|livenessTimeout|auditInterval|retention|max(?:Item|Items|Bytes)\w*)\b/g
  for (const page of pages) {
    for (const [name] of textOf(page).matchAll(suspects)) assert.ok(known.has(name), `${page}: ${name}`)
  }
})

test('every block of code has a language', () => {
  const bare = pages.flatMap((page) =>
    blocksOf(page)
      .filter(({ marks }) => marks[0] === '')
      .map(({ line }) => `${page}:${line}`),
  )
  assert.equal(bare, [])
})

test.run()
