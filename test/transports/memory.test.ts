import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { memory } from './memory-store'

const test = suite('memory')
const options = { name: 'memory', test, ...memory }

transportConformance(options)
apiConformance(options)

test.run()
