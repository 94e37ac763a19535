/** Some of the ways to lose what a server held; all of them with both policies are in losses.slow.ts. */
import { lossTests } from './losses'
import { suite } from './support'

const test = suite('losses')

const wanted = [
  'a backup restored, as a dump, policy restore',
  'a backup restored, as a dump, policy accept',
  'a backup restored key by key, on a server that runs, policy restore',
  'a failover to an older copy, policy restore',
]
lossTests(test, (title) => wanted.includes(title))

test.run()
