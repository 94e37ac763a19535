/** Links to NATS that die without a word, or are cut. */
import { cutLink, deadLink } from '../scenarios/dead-link'
import { natsSite, suite, untilConsumers } from './support'

const test = suite('link, NATS')

for (const [what, harm] of [
  ['a half-open link', 'freeze'],
  ['a server that is stopped', 'pause'],
] as const) {
  test(`${what} is noticed within livenessTimeout, twice, during writes; then all are equal`, async () => {
    await using site = await natsSite()
    await deadLink(site, harm, `${what}`)
    await untilConsumers(site.raw, 0)
  })
}

test('a link that is cut and refused for a while, three times, during writes: equal within 5 s of its return', async () => {
  await using site = await natsSite()
  await cutLink(site, `cut and refused`)
})

test.run()
