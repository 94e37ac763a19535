/** The stage as lines for a terminal: a pure function, so that tests can look at it. */
import type { Countdown, Seat, Stage, Told } from './stage'
import { count, fit, type Part, render, type Style, wrap } from './text'

export interface Size {
  /** Columns, 80 or more. */
  width: number
  /** Rows, 24 or more. */
  height: number
  color: boolean
}

/** How long a change stands out (ms). */
const freshMs = 900
const rowsWithoutEvents = 18

const styles: Record<Told['what'], Style> = {
  ...{ snapshot: 'green', set: 'green', restored: 'green' },
  ...{ expire: 'yellow', stale: 'yellow', delete: 'red', fault: 'red' },
}
const states: Record<Seat['state'], [Style, string]> = {
  away: ['dim', '○ not started'],
  idle: ['dim', '○ idle'],
  syncing: ['yellow', '◐ syncing'],
  live: ['green', '● live'],
  stale: ['yellow', '● stale'],
}

export function draw(stage: Stage, { width, height, color }: Size, now: number): string[] {
  const row = (...parts: Part[]) => render(fit(width, parts), color)
  const caption = wrap(stage.caption, width - 4)
  const panelWidth = Math.floor(width / stage.seats.length)
  const panels = stage.seats.map((seat) =>
    panel(seat, stage, panelWidth, Math.min(12, height - rowsWithoutEvents - 1), now),
  )
  const progress = `step ${stage.step} of ${stage.steps} `
  return [
    row(' memis demo  ', ['dim', fill(stage.title, width - 13 - progress.length)], ['dim', progress]),
    row(''),
    row('  ', ['bold', caption[0] ?? '']),
    row('  ', ['bold', caption.slice(1).join(' ')]),
    row('  ', ['green', stage.result === '' ? '' : `✓ ${stage.result}`]),
    ...storeBox(stage, width, now).map((parts) => row(...parts)),
    ...wires(stage, width, panelWidth, now).map((parts) => row(...parts)),
    ...(panels[0] ?? []).map((_, i) => row(...panels.flatMap((parts) => parts[i] ?? []))),
    ...[0, 1, 2].map((i) => row(...bottom(stage, i, width, now))),
  ]
}

function storeBox(stage: Stage, width: number, now: number): Part[][] {
  const inner = Math.min(60, width - 20)
  const margin = ' '.repeat(Math.floor((width - inner - 2) / 2))
  const middle = Math.floor(width / 2) - margin.length - 1
  const title = ` store: ${stage.store} `
  const top = title.length > inner - 2 ? `${title.slice(0, inner - 4)}… ` : title
  const [style, state] = storeState(stage)
  const writes = stage.lastWrite === '' || stage.storeState !== 'up' ? '' : `${stage.lastWrite} `
  const isFresh = stage.seats.some((seat) => now - seat.wroteAt < freshMs)
  return [
    [`${margin}╭─${top}${'─'.repeat(inner - 1 - top.length)}╮`],
    [
      `${margin}│`,
      [style, state],
      [isFresh ? 'cyan' : 'dim', writes.slice(0, inner - state.length).padStart(inner - state.length)],
      '│',
    ],
    [`${margin}╰${'─'.repeat(middle)}┬${'─'.repeat(inner - 1 - middle)}╯`],
  ]
}

function storeState({ storeState, stored }: Stage): [Style, string] {
  if (storeState === 'gone') return ['red', ' ✗ gone, and its contents are lost']
  if (storeState === 'empty') return ['yellow', ' back, and empty']
  return ['bold', ` ${count(stored, 'item')}`]
}

/** From the store to each server that was started. An arrow shows who writes and who is notified, a cross a cut link. */
function wires({ seats }: Stage, width: number, panelWidth: number, now: number): Part[][] {
  const centers = seats.flatMap((seat, i) => (seat.server === null ? [] : [centerOf(i, panelWidth)]))
  const middle = Math.floor(width / 2)
  const first = Math.min(middle, ...centers)
  const last = Math.max(middle, ...centers)
  let bus = ''
  for (let x = 0; x < width; x++) {
    const isDown = centers.includes(x)
    if (x < first || x > last) bus += ' '
    else if (x === middle) bus += isDown ? '┼' : first === last ? '│' : x === last ? '╯' : '┴'
    else bus += !isDown ? '─' : x === first ? '╭' : x === last ? '╮' : '┬'
  }
  const arrows = seats.map((seat, i): Part[] => {
    const before = ' '.repeat(centerOf(i, panelWidth) - i * panelWidth)
    return [before, arrowOf(seat, now), ' '.repeat(panelWidth - before.length - 1)]
  })
  return [[bus], arrows.flat()]
}

function arrowOf(seat: Seat, now: number): Part {
  if (seat.server === null) return ' '
  if (seat.isCut) return ['red', '╳']
  if (now - seat.wroteAt < freshMs) return ['cyan', '▲']
  if (now - seat.heardAt < freshMs) return ['green', '▼']
  return '│'
}

const centerOf = (i: number, panelWidth: number) => i * panelWidth + Math.floor(panelWidth / 2)

function panel(seat: Seat, stage: Stage, width: number, eventCount: number, now: number): Part[][] {
  const inner = width - 2
  const edge: Style | null = seat.server === null ? 'dim' : now - seat.wroteAt < freshMs ? 'cyan' : null
  const frame = (text: string): Part => (edge === null ? text : [edge, text])
  const body = (...parts: Part[]): Part[] => [frame('│'), ...fit(inner, parts), frame('│')]
  const [style, state] = states[seat.state]
  const room = inner - state.length - 3
  const items = [count(seat.size, 'item'), `${seat.size}`].find((text) => text.length <= room) ?? ''
  const name = ` server ${seat.name}`
  const pid = seat.pid === undefined ? '' : `${inner < 22 ? '' : 'pid '}${seat.pid} `
  const full = Math.round(((inner - 2) * Math.min(seat.size, stage.total)) / stage.total)
  const bar: Style = seat.state === 'stale' ? 'yellow' : 'green'
  const events = Array.from({ length: eventCount }, (_, i) => {
    const told = seat.told[i]
    if (told === undefined) return body()
    const text = ` ${told.text} ${told.detail}`
    return body(' ', [styles[told.what], told.what], now - told.at < freshMs ? ['bold', text] : ['dim', text])
  })
  return [
    [frame(`╭${'─'.repeat(inner)}╮`)],
    body(['bold', fill(name, inner - pid.length)], ['dim', pid]),
    body(' ', [style, state], (seat.server === null ? '' : items).padStart(room + 1)),
    body(' ', [bar, '█'.repeat(full)], ['dim', '░'.repeat(inner - 2 - full)]),
    ...events,
    [frame(`╰${'─'.repeat(inner)}╯`)],
  ]
}

/** Below the servers: items that expire, or figures. */
function bottom(stage: Stage, i: number, width: number, now: number): Part[] {
  const figure = stage.figures[i]
  if (figure !== undefined) return ['  ', fill(figure[0], 38), ['bold', figure[1]]]
  const countdown = stage.countdowns[i]
  return countdown === undefined ? [] : timer(countdown, stage, width, now)
}

function timer({ key, ttl, setAt, gone }: Countdown, stage: Stage, width: number, now: number): Part[] {
  const left = Math.max(0, ttl - (now - setAt) / 1000)
  const size = width - 50
  const full = Math.ceil((size * left) / ttl)
  const names = gone.map(({ name }) => name).sort()
  const end: Part =
    names.length === stage.present.length ? ['yellow', `expired in ${names.join(', ')}`] : `${left.toFixed(1)} s left`
  return ['  ', fill(key, 12), ['yellow', '█'.repeat(full)], ['dim', '░'.repeat(size - full)], '  ', end]
}

const fill = (text: string, width: number): string => text.slice(0, Math.max(0, width)).padEnd(width)
