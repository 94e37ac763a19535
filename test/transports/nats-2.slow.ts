/** The same with the package `nats` 2: the newer one is taken if it is installed. */
import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { nats } from '../nats/conformance-store'
import { hidePackage } from '../nats/hidden-package'

const test = suite('nats 2')
const options = { name: 'nats, package nats 2', test, ...nats }
hidePackage('@nats-io/transport-node')

transportConformance(options)
apiConformance(options)

test.run()
