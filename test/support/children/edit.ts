/** An editor of a flag, who edits it on the condition that nobody else has meanwhile: see scenarios/edits.ts. Arguments: options, name, how it goes on after a conflict. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, createClient, type ItemEntry, MemisError } from '../../../src'
import { answer } from '../child'

interface Flag {
  /** The edits that made it, in order. */
  edits: readonly string[]
}

const [options = '{}', name = '', after = ''] = process.argv.slice(2)
const client = createClient(JSON.parse(options) as ClientOptions)
client.on('error', () => {})
const flags = client.database('test').collection<Flag>('flags')

const accepted: string[] = []
const unsure: string[] = []
/** Edits that the store lacked, by its own word in a conflict, though the replica had them. */
const missed = new Set<string>()
let conflicts = 0
let isOver = false
let editing: Promise<void> = Promise.resolve()

async function edit(): Promise<void> {
  let seen: Pick<ItemEntry<Flag>, 'item' | 'revision'> | undefined
  for (let n = 0; !isOver; n++) {
    seen ??= flags.entry('checkout')
    const id = `${name} ${n}`
    try {
      if (seen === undefined) await flags.set('checkout', { edits: [id] }, { ifAbsent: true })
      else await flags.set('checkout', { edits: [...seen.item.edits, id] }, { ifRevision: seen.revision })
      accepted.push(id)
      seen = undefined
    } catch (error) {
      if (!(error instanceof MemisError)) throw error
      if (error.code === 'CONFLICT') {
        conflicts++
        const current = error.current as ItemEntry<Flag> | undefined
        const there = new Set(current?.item.edits)
        for (const each of flags.get('checkout')?.edits ?? []) if (!there.has(each)) missed.add(each)
        seen = after === 'takes what is there' ? current : undefined
      } else if (error.stored !== 'no') unsure.push(id)
    }
    await sleep(Math.random() * 10)
  }
}

answer({
  async begin() {
    await flags.subscribe()
    editing = edit()
  },
  count: () => accepted.length,
  async end() {
    isOver = true
    await editing
    return { accepted, unsure, missed: [...missed], conflicts }
  },
  close: () => client.close(),
})
