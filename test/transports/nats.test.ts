import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { nats } from '../nats/conformance-store'

const test = suite('nats')
// There is no hook `evict`: a bucket with `discard` new never drops an item, and other buckets are refused.
const options = { name: 'nats', test, ...nats }

transportConformance(options)
apiConformance(options)

test.run()
