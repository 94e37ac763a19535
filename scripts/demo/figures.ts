/** Measures what the servers can do, and shows each figure as soon as there is one. */
import { now } from './clock'
import { type Cues, inWords } from './cues'
import type { Server } from './server'
import type { Seat, Stage } from './stage'

const wave = 2000

/** Takes about so many ms. */
export async function measure(seats: readonly Seat[], stage: Stage, cues: Cues, ms: number): Promise<void> {
  const [writer, ...others] = seats.map(({ server }) => server) as [Server, ...Server[]]
  const show = (index: number, what: string, value: string) => {
    stage.figures[index] = [what, value]
  }
  /** From the call of the first write until all others have applied the last one (ms). */
  const flood = async (count: number): Promise<number> => {
    const arrived = others.map((other) => other.arrived(count))
    const began = await cues.heed(writer.flood(count))
    return Math.max(...(await cues.heed(Promise.all(arrived)))) - began
  }

  const rate = await cues.heed(writer.readRate())
  show(0, 'reads in one server', `${inMillions(rate)} million a second, from memory`)

  const delays: number[] = []
  for (const end = now() + ms / 2; now() < end || delays.length === 0; await cues.pause(5)) {
    delays.push(await flood(1))
    show(
      1,
      `one write, until all ${others.length} others have it`,
      `${inWords(medianOf(delays))} (median of ${delays.length})`,
    )
  }

  let writes = 0
  let took = 0
  for (const end = now() + ms / 2; now() < end || writes === 0; writes += wave) {
    took += await flood(wave)
    const each = Math.round((((writes + wave) / took) * 1000) / 100) * 100
    show(2, `writes, each applied in ${others.length} others`, `${each.toLocaleString('en')} a second`)
  }
}

const inMillions = (rate: number) => (rate / 1e6).toFixed(1)

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}
