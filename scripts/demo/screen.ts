/** The picture in a terminal, on its alternate screen, which leaves the first one as it was. */
import type { WriteStream } from 'node:tty'
import { now } from './clock'
import { draw } from './picture'
import type { Stage, View } from './stage'

const frameMs = 50
/** Keys that are pressed appear in the picture: every so many frames, all of it is painted. */
const fullFrames = 20
const widest = 120

// The alternate screen, no cursor, and no wrapping of long lines.
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
    this.#paint()
    this.#timer = setInterval(() => this.#paint(), frameMs)
  }

  // The next frame shows what is on the stage.
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
    return draw(this.#stage, size, now())
  }

  /** Writes only the lines that changed, in one go: nothing flickers. */
  #paint(): void {
    if (this.#frames++ % fullFrames === 0) this.#painted = []
    const { columns, rows } = this.#out
    // After a line that fills the row, the cursor is still on its last character: it would erase that.
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
