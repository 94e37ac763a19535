/** Every way in which a server can lose what it held, with both policies. */
import { lossTests } from './losses'
import { suite } from './support'

const test = suite('all losses')

lossTests(test, () => true)

test.run()
