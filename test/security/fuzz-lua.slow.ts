/**
 * The scripts on a real server, with bookkeeping that was spoiled at random (H7, H9): none of them fails, none takes long, readers and scripts
 * understand the same, and a write that follows is newer than everything that a reader has understood: otherwise replicas would be wrong while live.
 *
 * `MEMIS_FUZZ=1000000 npx tsx test/security/fuzz-lua.slow.ts` gives them a million inputs.
 */
import assert from 'node:assert'
import { inspect } from 'node:util'
import { compare, contains, encodeRevision } from '../../src/core/history'
import type { KeyWrite } from '../../src/core/transport'
import { decodeAnswer } from '../../src/transports/redis/decode'
import { Raw, redisServer } from '../redis/support'
import { Random } from '../simulation/random'
import { note, suite } from '../support/testing'
import { type Command, load, Stage } from './lua-stage'

const test = suite('security: fuzz of the scripts', 3_600_000)
const count = Number(process.env.MEMIS_FUZZ ?? 30_000)
const atOnce = 500
const item = { item: { v: 7 }, json: '{"v":7}', bytes: 7 }

/** Refusals that a script may give. Anything else is a script that failed. */
const refusal = /^(MEMIS[A-Z]+|WRONGTYPE) /

async function runAll(raw: Raw, commands: readonly Command[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(commands.map((command) => raw.sendBinary(...command.map(bytesOf))))
  return settled.map((each) => (each.status === 'fulfilled' ? textOf(each.value) : each.reason))
}

/** The name of memis's own field is a byte that is no text. */
const bytesOf = (word: string | number) => (word === '\xff' ? Buffer.from([0xff]) : String(word))
const textOf = (reply: unknown): unknown =>
  Buffer.isBuffer(reply) ? reply.toString() : Array.isArray(reply) ? reply.map(textOf) : reply

test(`${count.toLocaleString('en')} collections`, async () => {
  await using server = await redisServer()
  await using raw = await Raw.connect(server.url)
  await load(raw)
  // In µs, by the clock on the wall: others share the machine.
  await raw.send('CONFIG', 'SET', 'slowlog-log-slower-than', 1_000_000)
  const [replid] = /[0-9a-f]{40}/.exec(await raw.send('INFO', 'replication')) as RegExpExecArray
  const random = new Random(Number(process.env.MEMIS_SEED ?? 7))
  const start = performance.now()
  let judged = 0
  for (let done = 0; done < count; done += atOnce) {
    const stages = Array.from({ length: atOnce }, (_, i) => new Stage(i))
    const spoiled = stages.map((stage) => stage.make(random, replid, Date.now()))
    for (const outcome of await runAll(raw, spoiled.flat())) {
      if (outcome instanceof Error) assert.match(outcome.message, /not a valid float|WRONGTYPE/)
    }
    const wrong = (i: number, what: string, ...more: unknown[]) =>
      assert.fail(
        `${what}: ${inspect([spoiled[i]?.slice(9), ...more], { depth: 6, maxStringLength: 400, breakLength: 160 })}`,
      )
    const check = (replies: readonly unknown[], what: string, each = 1) => {
      for (const [i, reply] of replies.entries()) {
        if (reply instanceof Error && !refusal.test(reply.message))
          wrong(Math.floor(i / each), `${what} failed`, reply.message)
      }
    }
    const first = await runAll(
      raw,
      stages.map((stage) => stage.read()),
    )
    check(first, 'reading')
    const before = stages.map((stage, i) => (first[i] instanceof Error ? null : stage.understand(first[i])))
    // A set that anybody may make, one on the condition that the item is as it was read, and a delete.
    const writes = before.map((known): KeyWrite[] => {
      const k2 = known?.entries.find(({ key }) => key === 'k2')
      const isItem = typeof k2?.item === 'object' && k2.item !== null
      return [
        { kind: 'set', key: 'k1', item, ttlMs: null },
        { kind: 'set', key: 'k2', item, ttlMs: 60_000, ...(isItem && { if: { epoch: k2.epoch, n: k2.n } }) },
        { kind: 'delete', key: 'k3' },
      ]
    })
    const answers = await runAll(
      raw,
      stages.map((stage, i) => stage.write(writes[i] as KeyWrite[])),
    )
    check(answers, 'writing')
    const second = await runAll(
      raw,
      stages.map((stage) => stage.read()),
    )
    check(second, 'reading again')
    for (const [i, stage] of stages.entries()) {
      const [known, answer] = [before[i], answers[i]]
      if (!known || !Array.isArray(answer) || second[i] instanceof Error) continue
      judged++
      const { epoch, first: place, step, codes } = decodeAnswer(String(answer[0]), String(answer[1]))
      const after = stage.understand(second[i])
      const isSame = !known.page.isDue && epoch === known.history.at(-1)?.id
      for (const [w, key] of ['k1', 'k2', 'k3'].entries()) {
        const written = { epoch, n: place + w * step }
        const told = known.entries.find((each) => each.key === key)
        if (codes[w] === 'c') {
          if (isSame) wrong(i, `the condition on ${key} failed, though it was read so`, told, answer)
          continue
        }
        // A replica that knows an epoch which is not listed, and sorts after all, has the store begin a later one first.
        const isElsewhere = !after.history.some(({ id }) => id === told?.epoch) && (told?.epoch ?? '') > epoch
        // A delete of what is known to be gone names another place.
        if (!isElsewhere && told !== undefined && compare(told, written) >= 0 && told.item !== null) {
          wrong(
            i,
            `a replica would keep ${key} as ${encodeRevision(told)}, not as ${encodeRevision(written)}`,
            told,
            answer,
          )
        }
        const now = after.entries.find((each) => each.key === key)
        if (w < 2 && (now === undefined || compare(now, written) !== 0))
          wrong(i, `${key} is not read as it was written`, now, answer, second[i])
        if (w < 2 && !contains(after.history, written)) wrong(i, `${key} is not in the history`, after.history, answer)
      }
      stage.record.setHistory(after.page.current, after.page.epochs)
      stage.record.learn({ epoch: after.history.at(-1)?.id ?? '', n: after.page.head, sign: after.page.sign })
    }
    const others = await runAll(
      raw,
      stages.flatMap((stage) => stage.others()),
    )
    check(others, 'another script', others.length / atOnce)
    const last = await runAll(
      raw,
      stages.map((stage) => stage.read()),
    )
    check(last, 'reading at last')
    for (const [i, stage] of stages.entries()) {
      if (last[i] instanceof Error) continue
      const left = stage.understand(last[i]).entries.filter(({ item: each, isLost }) => each && !isLost)
      if (left.length > 0) wrong(i, 'a clear left something', left)
    }
    await runAll(
      raw,
      stages.map((stage) => stage.remove()),
    )
  }
  const slow = await raw.send('SLOWLOG', 'GET', 10)
  assert.deepStrictEqual(
    slow.filter(([, , , words]: [number, number, number, string[]]) => /^eval/i.test(String(words[0]))).slice(0, 2),
    [],
  )
  assert.ok(judged > 0.9 * count, `${judged} of ${count} could be judged`)
  const seconds = (performance.now() - start) / 1000
  note(
    `${count.toLocaleString('en')} spoiled collections, ${Math.round((11 * count) / seconds)} scripts a second; none failed`,
  )
})

test.run()
