import { suite } from 'uvu'
import { apiConformance, transportConformance } from '../../src/conformance'
import { files } from './file-store'

const test = suite('file')
const options = { name: 'file', test, ...files }

transportConformance(options)
apiConformance(options)

test.run()
