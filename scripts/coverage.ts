/**
 * The coverage of src by the tests, reported by c8. tsx puts a whole file on one line, with calls that keep names between functions:
 * there, c8's own remapping loses functions that never ran. So the ranges are mapped to the sources here, and c8 only sees sources.
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'

interface Range {
  startOffset: number
  endOffset: number
  count: number
}

interface Transpiled {
  lineLengths: number[]
  data: SourceMapPayload
}

/** The coverage file of a process. */
interface Dump {
  result: { url: string; functions: { ranges: Range[] }[] }[]
  'source-map-cache'?: Record<string, Transpiled>
}

const root = resolve(__dirname, '..')
const src = join(root, 'src')

/** Reports on the files of processes with NODE_V8_COVERAGE=`dumps`. Not `ok` below the wanted percentage of lines. */
export async function reportCoverage(dumps: string, lines: number): Promise<{ ok: boolean; output: string }> {
  const mapped = join(dumps, 'mapped')
  await mkdir(mapped, { recursive: true })
  for (const file of await readdir(dumps)) {
    if (!file.endsWith('.json')) continue
    const dump: Dump = JSON.parse(await readFile(join(dumps, file), 'utf8'))
    await writeFile(join(mapped, file), JSON.stringify({ result: toSources(dump) }))
  }
  const args = ['report', '--temp-directory', mapped, '--all', '--src', src, '--include', 'src/**', '--skip-full']
  for (const file of await typeFiles()) args.push('--exclude', file)
  args.push('--reporter', 'text', '--check-coverage', '--lines', String(lines))
  const c8 = require.resolve('c8/bin/c8.js')
  return promisify(execFile)(process.execPath, [c8, ...args], { cwd: root }).then(
    ({ stdout }) => ({ ok: true, output: stdout }),
    ({ stdout, stderr }) => ({ ok: false, output: `${stdout}${stderr}` }),
  )
}

function toSources(dump: Dump): Dump['result'] {
  return dump.result.flatMap((script) => {
    const cached = dump['source-map-cache']?.[script.url]
    if (!script.url.startsWith(`${pathToFileURL(src)}/`) || !cached) return []
    const offsets = sourceOffsets(cached)
    const functions = script.functions.flatMap((fn) => {
      const ranges = fn.ranges.flatMap(({ startOffset, endOffset, count }) => {
        const start = offsets.atOrAfter(startOffset)
        const end = offsets.atOrBefore(endOffset - 1)
        return start < end ? [{ startOffset: start, endOffset: end + 1, count }] : []
      })
      // Helpers of the transpiler are not in the source.
      return ranges.length > 0 ? [{ ...fn, ranges }] : []
    })
    return [{ ...script, functions }]
  })
}

/** By mappings: all test processes have loaded mostly the same files. */
const offsetsKnown = new Map<string, number[]>()

/** From an offset in the transpiled text to the nearest one in the source, on either side. */
function sourceOffsets({ lineLengths, data }: Transpiled) {
  const source = data.sourcesContent[0] ?? ''
  const key = data.sources[0] + data.mappings
  const known = offsetsKnown.get(key) ?? exactOffsets(source, { lineLengths, data })
  offsetsKnown.set(key, known)
  return {
    atOrAfter(offset: number) {
      while (known[offset] === -1) offset++
      return known[offset] ?? source.length
    },
    atOrBefore(offset: number) {
      while (known[offset] === -1) offset--
      return known[offset] ?? 0
    },
  }
}

/** For each offset in the transpiled text its offset in the source; -1 if none is mapped. */
function exactOffsets(source: string, { lineLengths, data }: Transpiled): number[] {
  const lineStarts = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) lineStarts.push(at + 1)
  const map = new SourceMap(data)
  const known: number[] = []
  for (const [line, length] of lineLengths.entries()) {
    for (let column = 0; column <= length; column++) {
      const entry = map.findEntry(line, column)
      const exact = 'originalLine' in entry && entry.generatedLine === line && entry.generatedColumn === column
      known.push(exact ? (lineStarts[entry.originalLine] ?? 0) + entry.originalColumn : -1)
    }
  }
  return known
}

/** Files that only have types are never loaded: c8 would count them as not covered. */
async function typeFiles(): Promise<string[]> {
  const found: string[] = []
  for (const file of await readdir(src, { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, removeComments: true }
    const { outputText } = ts.transpileModule(await readFile(join(src, file), 'utf8'), { compilerOptions })
    if (/^\s*(export \{\};\s*)?$/.test(outputText)) found.push(`src/${file}`)
  }
  return found
}
