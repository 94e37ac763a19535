/** The picture in a terminal, on its second screen, which leaves no trace on the first. */
import type { WriteStream } from 'node:tty'
import { draw } from './picture'
import type { Stage, View } from './stage'

const frameMs = 50
/** Something else may have written to the terminal, a key that was pressed say: from time to time all is painted. */
const fullFrames = 20
const widest = 120

// The second screen, no cursor, and no line that is too long goes on in the next.
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J'
const leave = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l'

export const fits = ({ columns, rows }: WriteStream): boolean => columns >= 80 && rows >= 24

export class Screen implements View {
  readonly #out: WriteStream
  readonly #color = !process.env.NO_COLOR
  readonly #resized = () => {
    this.#painted = []
    this.#out.write('\x1b[2J')
  }
  readonly #left = () => this.#leave()
  #stage!: Stage
  #painted: string[] = []
  #frames = 0
  #timer: NodeJS.Timeout | undefined

  constructor(out: WriteStream) {
    this.#out = out
  }

  open(stage: Stage): void {
    this.#stage = stage
    this.#out.write(enter)
    this.#out.on('resize', this.#resized)
    process.on('exit', this.#left)
    this.#timer = setInterval(() => this.#paint(), frameMs)
  }

  // All that happens is on the stage, and the next frame shows it.
  step(): void {}
  report(): void {}
  result(): void {}

  /** The last picture stays in the terminal. */
  close(): void {
    if (this.#timer === undefined) return
    const last = this.#draw()
    this.#leave()
    while (last.at(-1)?.trim() === '') last.pop()
    this.#out.write(`${last.join('\n')}\n`)
  }

  #leave(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#out.off('resize', this.#resized)
    process.off('exit', this.#left)
    this.#out.write(leave)
  }

  #draw(): string[] {
    const { columns, rows } = this.#out
    const size = { width: Math.max(80, Math.min(widest, columns)), height: Math.max(24, rows), color: this.#color }
    return draw(this.#stage, size, performance.now())
  }

  /** Writes only the lines that changed, in one go: nothing flickers. */
  #paint(): void {
    if (this.#frames++ % fullFrames === 0) this.#painted = []
    const { columns, rows } = this.#out
    // Behind a line that fills the row, the cursor still stands on its last character, and would erase that.
    const rest = columns > widest ? '\x1b[K' : ''
    let changed = ''
    const lines = this.#draw()
    for (const [i, text] of lines.entries()) {
      if (i < rows && text !== this.#painted[i]) changed += `\x1b[${i + 1};1H${text}${rest}`
    }
    this.#painted = lines
    if (changed !== '') this.#out.write(`\x1b[?2026h${changed}\x1b[?2026l`)
  }
}
