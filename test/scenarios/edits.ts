/** Two processes edit the same flag on condition, while the store loses writes that it had confirmed. */
import assert from 'node:assert'
import type { Client } from '../../src'
import { Child } from '../support/child'
import { note, until } from '../support/testing'

export interface Lossy {
  readonly name: string
  /** The options of the clients of both processes. */
  readonly options: object
  client(): Client
  /** Keeps what the store holds now; the function that is returned takes the store back to there, with a failover or a restart. */
  keep(): Promise<() => Promise<unknown>>
}

/** The source of an editor's next try after a conflict. */
export type After = 'looks again' | 'takes what is there'

interface Edited {
  readonly accepted: readonly string[]
  readonly unsure: readonly string[]
  readonly missed: readonly string[]
  readonly conflicts: number
}

const rounds = 5
/** Edits of each process between two steps. */
const some = 15

/**
 * An editor who looks again, at what the replica holds, loses nothing. One who takes what the store says may undo edits that it
 * lost: then a conflict has told so.
 */
export async function edits({ name, options, client, keep }: Lossy, after: After): Promise<void> {
  await using one = new Child('edit.ts', JSON.stringify(options), 'one', after)
  await using two = new Child('edit.ts', JSON.stringify(options), 'two', after)
  const both = [one, two]
  const more = async () => {
    const before = await Promise.all(both.map((child) => child.ask('count')))
    await until(
      'both have edited',
      async () => {
        const now = await Promise.all(both.map((child) => child.ask('count')))
        return now.every((count, i) => count >= before[i] + some)
      },
      60_000,
    )
  }
  for (const child of both) await child.ask('begin')
  for (let round = 0; round < rounds; round++) {
    await more()
    const lose = await keep()
    await more()
    await lose()
  }
  await more()
  const edited: Edited[] = []
  for (const child of both) edited.push(await child.ask('end'))

  await using own = client()
  const flags = own.database('test').collection<{ edits: string[] }>('flags')
  await flags.subscribe()
  const held = flags.get('checkout')?.edits ?? []
  const kept = new Set(held)
  assert.strictEqual(kept.size, held.length, 'no edit counts twice')
  const known = new Set(edited.flatMap(({ accepted, unsure }) => [...accepted, ...unsure]))
  assert.deepStrictEqual(
    held.filter((edit) => !known.has(edit)),
    [],
    'no edit is there of which the editor was told that it is not',
  )
  const told = new Set(after === 'looks again' ? [] : edited.flatMap(({ missed }) => missed))
  const lost = edited.flatMap(({ accepted }) => accepted.filter((edit) => !kept.has(edit)))
  assert.deepStrictEqual(
    lost.filter((edit) => !told.has(edit)),
    [],
    'edits that were confirmed, and that are lost without a conflict',
  )
  const conflicts = edited.reduce((sum, each) => sum + each.conflicts, 0)
  assert.ok(conflicts > 0, 'there were conflicts')
  note(
    `${name}, an editor ${after}: ${edited.flatMap(({ accepted }) => accepted).length} edits, ${conflicts} conflicts, ${rounds} losses; ` +
      `${lost.length} edits undone, of each a conflict had told`,
  )
  for (const child of both) await child.ask('close')
}
