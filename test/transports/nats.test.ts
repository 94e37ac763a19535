import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { nats } from '../nats/conformance-store'

const test = suite('nats')
const options = { name: 'nats', test, ...nats }

transportConformance(options)
apiConformance(options)

test.run()
