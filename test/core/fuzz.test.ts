/** Some of the inputs of `fuzz.slow.ts`, in no time. */
import { suite } from 'uvu'
import { fuzz } from './fuzz'
import { targets } from './fuzz-targets'

const test = suite('fuzz')
const inputs = 20_000

for (const make of targets) {
  const target = make()
  test(`H1 ${target.name}: ${inputs.toLocaleString('en')} inputs`, () => fuzz(target, inputs, 1))
}

test.run()
