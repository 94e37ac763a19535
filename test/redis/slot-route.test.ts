/** The way to the node of a cluster that has a collection, when the slot moves while a call is in flight. */
import assert from 'node:assert'
import type { MemisError } from '../../src'
import type { Cluster } from '../../src/transports/redis/cluster'
import type { Link } from '../../src/transports/redis/link'
import { setScript } from '../../src/transports/redis/scripts'
import { SlotRoute } from '../../src/transports/redis/slot-route'
import { suite } from './support'

const test = suite('slot route')

/** A node: what its scripts are answered, and on which connections they were asked for. */
function nodeOf(answer: () => Promise<unknown>) {
  const asked: (number | undefined)[] = []
  const run = (_script: unknown, _keys: unknown, _args: unknown, generation?: number) => {
    asked.push(generation)
    return answer()
  }
  return { asked, link: { run } as unknown as Link }
}

function clusterOf(first: Link) {
  let owner = first
  const cluster = {
    heard: new Set(),
    reach: async () => owner,
    linkOf: () => owner,
    addressOf: () => '127.0.0.1:1',
    moved: () => {},
    refresh: () => {},
  } as unknown as Cluster
  const move = (to: Link) => {
    owner = to
  }
  return { cluster, move }
}

const args = [setScript, ['{a}'], []] as const

test('an answer of the owner counts', async () => {
  const { link } = nodeOf(async () => 'done')
  assert.strictEqual(await new SlotRoute(clusterOf(link).cluster, '{a}').run(...args), 'done')
})

test('the answer of a node that is no longer the owner leaves the outcome unknown (K7)', async () => {
  const other = nodeOf(async () => 'other')
  const { link } = nodeOf(async () => {
    move(other.link)
    return 'accepted by a former master'
  })
  const { cluster, move } = clusterOf(link)
  const route = new SlotRoute(cluster, '{a}')
  await assert.rejects(
    route.run(...args),
    ({ code, stored }: MemisError) => code === 'DISCONNECTED' && stored === undefined,
  )
  assert.strictEqual(await route.run(...args), 'other')
})

test('what one connection has checked is asked of that connection alone, also if the slot moves (K7)', async () => {
  const other = nodeOf(async () => 'other')
  const { link, asked } = nodeOf(async () => {
    move(other.link)
    throw new Error('MOVED 7638 127.0.0.1:2')
  })
  const { cluster, move } = clusterOf(link)
  await new SlotRoute(cluster, '{a}').run(...args, 42)
  assert.deepStrictEqual([asked, other.asked], [[42], [42]])
})

test.run()
