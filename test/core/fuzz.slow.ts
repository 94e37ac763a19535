/** A million inputs on every decoder. */
import { suite } from 'uvu'
import { fuzz } from './fuzz'
import { targets } from './fuzz-targets'

const test = suite('fuzz, slow')
const inputs = 1_000_000

for (const make of targets) {
  const target = make()
  test(`H1 ${target.name}: ${inputs.toLocaleString('en')} inputs`, () => {
    const start = performance.now()
    fuzz(target, inputs, 4711)
    const seconds = (performance.now() - start) / 1000
    console.log(`\n# ${target.name}: ${inputs.toLocaleString('en')} inputs in ${seconds.toFixed(1)} s, none did harm`)
  })
}

test.run()
