/** The programs of the pages do not depend on the store: they run on NATS and print the same. */
import { startNats } from '../support/servers'
import { testPrograms } from './running'

testPrograms('docs: programs on NATS', startNats).run()
