/** The suite that asks the interface itself, clause by clause: see `src/core/transport.ts`. */
import { must, same } from '../assert'
import { type ConformanceOptions, type Define, register, type Store } from '../suite'
import { basics } from './basics'
import { Bench } from './bench'
import { cleaning } from './cleaning'
import { closing } from './closing'
import { conditions } from './conditions'
import { isolation } from './isolation'
import { link } from './link'
import { losses } from './losses'
import { merging } from './merging'
import { resuming } from './resuming'
import { retries } from './retries'

/** Registers the cases of the interface {@link Transport}. */
export function transportConformance<S extends Store>(options: ConformanceOptions<S>): void {
  const declared = (test: Define<Bench>) =>
    test('H2 the transport declares what the suite was told that it lacks', async (bench) => {
      const { transport } = await bench.unopened()
      const clauses = (lacks: readonly { readonly clause: string }[]) => lacks.map(({ clause }) => clause).sort()
      same(clauses(transport.lacks), clauses(options.lacks ?? []), 'transport.lacks, and `lacks` of the suite')
      must(/^[a-z][\w-]*$/.test(transport.name), 'a short name, for messages', transport.name)
      must(transport.maxItemBytes > 0, 'maxItemBytes', transport.maxItemBytes)
    })
  const areas = [basics, declared, retries, conditions, merging, resuming, losses, cleaning, isolation, link, closing]
  register(
    options,
    {
      open: (play) => new Bench(play),
      check: (bench) => bench.check(),
      close: (bench) => bench.close(),
      describe: (bench) => bench.describe(),
    },
    areas,
  )
}
