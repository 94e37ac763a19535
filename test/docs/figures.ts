/** The figures in the pages: they stand between two comments, and are made from the results of the bench. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, textOf } from './pages'

interface Row {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly ours: number
  readonly theirs: number
}

const { machine, results } = JSON.parse(readFileSync(join(root, 'scripts/bench/results.json'), 'utf8')) as {
  machine: string
  results: readonly Row[]
}

/** A figure of the bench has several rows, in a fixed order. */
function row(id: string, index: number): Row {
  const found = results.filter((each) => each.id === id)[index]
  if (found === undefined) throw new Error(`results.json has no row ${index} of the figure ${id}`)
  return found
}

/** Three digits, with thousands apart. */
function digits(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(Number(value.toPrecision(3))).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

const tell = ({ unit }: Row, value: number): string => {
  if (unit === 'ns' && value >= 1e5) return `${digits(value / 1e6)} ms`
  return `${digits(value)} ${unit}`.trim()
}

const ours = (row: Row) => tell(row, row.ours)
const theirs = (row: Row) => tell(row, row.theirs)

const [redisDelay, redisDelay99, natsDelay, natsDelay99] = [row('P3', 0), row('P3', 1), row('P3', 2), row('P3', 3)]
const read = row('P4', 0)
const [redisSets, natsSets] = [row('P1', 0), row('P2', 0)]
const [redisLoad, natsLoad] = [row('P5', 0), row('P5', 1)]
const returning = row('P6', 0)
const [heap, heapTtl, redisMemory] = [row('P7', 0), row('P7', 1), row('P7', 2)]
const replicas = row('P9', 0)

const figures: Readonly<Record<string, () => string>> = {
  readme: () =>
    [
      `A change reaches another process in ${ours(redisDelay)} on Redis and ${ours(natsDelay)} on NATS (medians, one machine). A local \`get\` takes ${ours(read)}. A process writes ${digits(redisSets.ours)} items a second on Redis and ${digits(natsSets.ours)} on NATS.`,
      `100,000 items are loaded in ${ours(redisLoad)}; a process that missed 100 changes of them catches up in ${ours(returning)}. All figures: [docs/performance.md](docs/performance.md).`,
    ].join('\n'),
  latency: () =>
    `A change reaches another process in ${ours(redisDelay)} on Redis and ${ours(natsDelay)} on NATS (medians; 99th percentiles: ${ours(redisDelay99)} and ${ours(natsDelay99)}).`,
  sizing: () =>
    [
      '| measured | figure |',
      '|---|---|',
      `| heap for an item beyond a \`Map\` of the same objects, without and with a ttl | ${digits(heap.ours - heap.theirs)} B, ${digits(heapTtl.ours - heapTtl.theirs)} B |`,
      `| heap for an item in that \`Map\`, an object of five fields | ${digits(heap.theirs)} B |`,
      `| memory of Redis for an item with a ttl, and for a bare hash | ${ours(redisMemory)}, ${theirs(redisMemory)} |`,
      `| loading 100,000 items from Redis, from NATS | ${ours(redisLoad)}, ${ours(natsLoad)} |`,
      `| changes a second that 32 replicas in 4 processes apply together, two cores | ${digits(replicas.ours)} |`,
    ].join('\n'),
  table: () =>
    [
      `On ${machine}:`,
      '',
      '| | memis | by hand, or the other | better |',
      '|---|---|---|---|',
      ...named().map(([what, each]) => `| ${what} | ${ours(each)} | ${theirs(each)} | ${digits(ahead(each))}× |`),
    ].join('\n'),
}

/** How many times better than theirs: more is better of what is counted per second, and less of everything else. */
const ahead = ({ unit, ours, theirs }: Row): number => (unit === '/s' ? ours / theirs : theirs / ours)

/** Some rows go on with the one above: `… to make them`. */
function named(): [string, Row][] {
  let subject = ''
  return results.map((each) => {
    if (!each.what.startsWith('…')) subject = each.what.split(': ')[0] as string
    return [each.what.replace(/^… /, `${subject}: `), each]
  })
}

const marked = /<!-- figures: (\w+) -->\n([\s\S]*?)<!-- \/figures -->/g

/** The page with its figures from the results. */
export function withFigures(page: string): string {
  return textOf(page).replace(marked, (_, name: string) => {
    const make = figures[name]
    if (make === undefined) throw new Error(`${page}: there are no figures called ${name}`)
    return `<!-- figures: ${name} -->\n${make()}\n<!-- /figures -->`
  })
}

export function renewFigures(page: string): void {
  const renewed = withFigures(page)
  if (renewed !== textOf(page)) writeFileSync(join(root, page), renewed)
}
