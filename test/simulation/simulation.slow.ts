/** More worlds. As many as one likes: `npm run simulate -- --seeds 100000`. */
import { suite } from 'uvu'
import { testSeeds } from './seeds'

const test = suite('simulation of more worlds')

testSeeds(test, 601, 3000)

test.run()
