/** Two batches of one writer under way, at the seam: neither overtakes the other, and each is known when it is given again. */
import assert from 'node:assert'
import type { Batch, Outcome, Write, Written } from '../../src/core/transport'
import { Bench, remove, set } from '../support/seam'
import { rejection, suite } from '../support/testing'
import { stores } from '../support/transports'

const test = suite('pipelining')

const first: Batch = {
  writer: 'writer',
  sequence: 1,
  writes: [set('both', 1), set('twice', 1), set('twice', 2), set('one', 1, 60_000)],
}
const second: Batch = { writer: 'writer', sequence: 2, writes: [set('both', 2), set('two', 2, 60_000)], follows: 1 }
const alone = ({ writer, sequence, writes }: Batch): Batch => ({ writer, sequence, writes })

const numbers = ({ outcomes }: Written) => outcomes.map((outcome) => (outcome as { n: number }).n)

async function itemsOf(bench: Bench): Promise<Record<string, unknown>> {
  const told = await bench.told(null)
  const sets = [...told.values()].flatMap((change) => (change.kind === 'set' ? [[change.key, change.item]] : []))
  return Object.fromEntries(sets.filter(([key]) => key !== 'first'))
}

const all = { both: { n: 2 }, twice: { n: 2 }, one: { n: 1 }, two: { n: 2 } }

for (const { name, start } of stores) {
  test(`W4 ${name}: two at once are taken in their order; given again, each has its first answer`, async () => {
    await using bench = await Bench.set(start)
    const [one, two] = await Promise.all([bench.take(first), bench.take(second)])
    assert.ok(Math.max(...numbers(one)) < Math.min(...numbers(two)))
    assert.deepStrictEqual(await itemsOf(bench), all)
    const again = [await bench.take(first), await bench.take(alone(second))]
    const [firstAgain, secondAgain] = again.map(numbers)
    assert.deepStrictEqual(secondAgain, numbers(two))
    // Of what the batch itself has replaced, a stream does not know the number any more, but that it came before.
    const answered = numbers(one)
    if (name.startsWith('nats')) {
      const [before = 0, own = 0, after = 0] = [answered[0], firstAgain?.[1], answered[2]]
      assert.ok(before < own && own < after, `${own}`)
      answered[1] = own
    }
    assert.deepStrictEqual(firstAgain, answered)
    for (const written of again) {
      const { leftMs } = written.outcomes.at(-1) as { leftMs?: number }
      assert.ok(leftMs !== undefined && leftMs <= 60_000, `a ttl counts from the first time: ${leftMs}`)
    }
    assert.deepStrictEqual(await itemsOf(bench), all)
  })

  test(`W4 ${name}: the second comes without the first: what the first brings later does not lie over it`, async () => {
    await using bench = await Bench.set(start)
    const missed = await bench.take(second).then(
      () => undefined,
      (error) => error,
    )
    if (missed !== undefined) {
      assert.deepStrictEqual([missed.code, missed.stored], ['DISCONNECTED', 'no'])
      assert.deepStrictEqual(await itemsOf(bench), {})
    }
    await bench.take(first)
    await bench.take(alone(second))
    assert.deepStrictEqual(await itemsOf(bench), all)
  })

  test(`W4 ${name}: the first was given up when the second came alone: it is refused, or changes nothing`, async () => {
    await using bench = await Bench.set(start)
    await bench.take(alone(second))
    await rejection(bench.take(first))
    assert.deepStrictEqual(await itemsOf(bench), { both: { n: 2 }, two: { n: 2 } })
    const third: Batch = { writer: 'writer', sequence: 3, writes: [set('both', 3)], follows: 2 }
    await Promise.all([bench.take(alone(second)), bench.take(third)])
    assert.deepStrictEqual(await itemsOf(bench), { both: { n: 3 }, two: { n: 2 } })
  })

  test(`W4 W5 ${name}: a delete in the second finds what the first has set, and one in the first nothing of the second`, async () => {
    await using bench = await Bench.set(start)
    const existed = ({ outcomes }: Written) =>
      outcomes.map((outcome: Outcome) => (outcome as { existed: boolean }).existed)
    const batches = (sequence: number, one: Write[], two: Write[]): Promise<Written>[] => [
      bench.take({ writer: 'writer', sequence, writes: one }),
      bench.take({ writer: 'writer', sequence: sequence + 1, writes: two, follows: sequence }),
    ]
    const [, deleted] = await Promise.all(batches(1, [set('k', 1), set('other', 1)], [remove('k'), remove('never')]))
    assert.deepStrictEqual(existed(deleted as Written), [true, false])
    const [found] = await Promise.all(batches(3, [remove('k'), remove('other')], [set('k', 2), set('other', 2)]))
    assert.deepStrictEqual(existed(found as Written), [false, true])
    assert.deepStrictEqual(await itemsOf(bench), { k: { n: 2 }, other: { n: 2 } })
  })
}

test.run()
