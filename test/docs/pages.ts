/** The documentation as its tests read it: the pages, and the programs that their code blocks make up. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(__dirname, '../..')

/** Paths of all pages, from the root. */
export const pages: readonly string[] = [
  ...['README.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs')).flatMap((file) => (file.endsWith('.md') ? [`docs/${file}`] : [])),
]

export const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

/**
 * A program of a page. It begins with a block of TypeScript or JavaScript whose first line is an import; the blocks that follow it
 * without an import go on with it.
 */
export interface Program {
  readonly page: string
  /** The line of the page on which it begins. */
  readonly line: number
  readonly language: 'ts' | 'js'
  /** The whole program. Its line numbers are those of the page, so that a message of the compiler names the right line. */
  readonly code: string
  /** Its first block is marked ```` ```ts run ````. */
  readonly runs: boolean
  /** The name of the file, if its first block is marked `file=NAME`. */
  readonly file: string | undefined
  /** What the blocks marked ```` ```text output ```` say that it prints. */
  readonly output: string | undefined
}

interface Block {
  /** Behind the fence: `ts run`. */
  readonly marks: readonly string[]
  readonly line: number
  readonly lines: readonly string[]
}

export function blocksOf(page: string): Block[] {
  const blocks: { marks: string[]; line: number; lines: string[] }[] = []
  let open: (typeof blocks)[number] | undefined
  for (const [index, line] of textOf(page).split('\n').entries()) {
    const fence = /^ *```(.*)$/.exec(line)
    if (fence === null) open?.lines.push(line)
    else if (open !== undefined) open = undefined
    else {
      open = { marks: (fence[1] as string).split(' '), line: index + 2, lines: [] }
      blocks.push(open)
    }
  }
  if (open !== undefined) throw new Error(`${page}: the block of line ${open.line} has no end`)
  return blocks
}

export function programsOf(page: string): Program[] {
  const programs: (Program & { code: string; output: string | undefined })[] = []
  for (const { marks, line, lines } of blocksOf(page)) {
    const [language, ...others] = marks
    const last = programs.at(-1)
    if (language === 'text' && others.includes('output')) {
      if (last === undefined) throw new Error(`${page}:${line}: there is no program that could print this`)
      last.output = `${last.output ?? ''}${lines.join('\n')}\n`
    }
    if (language !== 'ts' && language !== 'js') continue
    const isStart = lines[0]?.startsWith('import ') === true
    if (!isStart && last === undefined) throw new Error(`${page}:${line}: the first block must begin with an import`)
    if (isStart) {
      const file = others.find((mark) => mark.startsWith('file='))?.slice(5)
      programs.push({ page, line, language, code: '', runs: others.includes('run'), file, output: undefined })
    }
    const program = programs.at(-1) as (typeof programs)[number]
    const linesBefore = program.code.split('\n').length
    program.code += `${'\n'.repeat(line - linesBefore)}${lines.join('\n')}\n`
  }
  return programs
}

/** The page without its blocks of code. */
export const withoutBlocks = (page: string): string => textOf(page).replace(/^ *```[\s\S]*?^ *```/gm, '')

export const programs: readonly Program[] = pages.flatMap(programsOf)

/** A name for the program's file: unique, and telling where it comes from. */
export const fileOf = ({ page, line, language }: Program): string =>
  `${page.replace(/\W+/g, '-').replace(/-md$/, '')}-${line}.m${language}`
