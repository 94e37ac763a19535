/**
 * Every way in which a server can lose what it held (K7), with both policies. What was written after the moment that the
 * server goes back to is lost; somebody who follows nothing writes at once, with the numbers that the lost writes had.
 */
import assert from 'node:assert'
import { cpSync, rmSync } from 'node:fs'
import { type Client, type Collection, createClient, type ReadyInfo } from '../../src'
import { startProxy } from '../support/proxy'
import type { RedisOptions, Server } from '../support/servers'
import { Interceptor } from './interceptor'
import {
  awake,
  baseOf,
  type Disposable,
  note,
  Raw,
  Replay,
  readStore,
  redisServer,
  type suite,
  until,
  untilEqual,
} from './support'

/** On an idle machine it is half a second; here others may be at work. */
const patience = 20_000

interface Item {
  v: number
}

/** Keeps what the server holds at that moment, and gives the way to take it back to there. */
type Loss = (server: Server, raw: Raw, interceptor: Interceptor) => Promise<() => Promise<unknown>>

/** The files in which a server keeps its data, put aside, and put back in place of newer ones. */
const files = (name: string): Loss => {
  return async (server, raw) => {
    if (name.endsWith('.rdb')) await raw.send('SAVE')
    const [kept, live] = [`${server.dir}/kept`, `${server.dir}/${name}`]
    cpSync(live, kept, { recursive: true })
    return async () => {
      await server.kill()
      rmSync(live, { recursive: true })
      cpSync(kept, live, { recursive: true })
      await server.restart()
    }
  }
}

const followers: Disposable<Server>[] = []

const losses: { name: string; options?: RedisOptions; keeps: boolean; loss: Loss }[] = [
  { name: 'a restart without persistence', keeps: false, loss: async (server) => () => server.restart() },
  { name: 'FLUSHALL', keeps: false, loss: async (_, raw) => () => raw.send('FLUSHALL') },
  { name: 'a backup restored, as a dump', keeps: true, loss: files('dump.rdb') },
  {
    name: 'a backup restored, as an append-only file',
    options: { persistence: 'aof' },
    keeps: true,
    loss: files('appendonlydir'),
  },
  {
    name: 'a backup restored key by key, on a server that runs',
    keeps: true,
    loss: async (_, raw) => {
      const names = await raw.keys()
      const kept = await Promise.all(
        names.map(async (name) => {
          const [[dump], due] = [
            await raw.sendBinary('EVAL', "return {redis.call('DUMP', KEYS[1])}", '1', name),
            await raw.send('PEXPIRETIME', name),
          ]
          return ['RESTORE', name, String(Math.max(0, due)), dump, 'ABSTTL'] as const
        }),
      )
      // In one transaction: of one that is half there nobody could tell what is still to come.
      return () =>
        Promise.all([
          raw.send('MULTI'),
          raw.send('FLUSHALL'),
          ...kept.map((command) => raw.sendBinary(...command)),
          raw.send('EXEC'),
        ])
    },
  },
  {
    name: 'a failover to an older copy',
    keeps: true,
    loss: async (server, _, interceptor) => {
      const copy = await redisServer()
      followers.push(copy)
      const link = await startProxy(server.port)
      const raw = await Raw.connect(copy.url)
      await raw.send('REPLICAOF', '127.0.0.1', String(link.port))
      await until('the copy follows', async () => /master_link_status:up/.test(await raw.send('INFO', 'replication')))
      await link.close()
      return async () => {
        await server.kill()
        await raw.send('REPLICAOF', 'NO', 'ONE')
        interceptor.redirect(copy)
        await raw[Symbol.asyncDispose]()
      }
    },
  },
]

const base = baseOf('test', 'items')

/** A test for each loss and policy; `isWanted` tells which, by its title. */
export function lossTests(test: ReturnType<typeof suite>, isWanted: (title: string) => boolean): void {
  for (const { name, options, keeps, loss } of losses) {
    for (const dataLoss of ['restore', 'accept'] as const) {
      if (!isWanted(`${name}, policy ${dataLoss}`)) continue
      test(`${name}, policy ${dataLoss}`, async () => {
        await using server = await redisServer(options)
        await using interceptor = await Interceptor.start(server)
        await using raw = await Raw.connect(server.url)
        const open = (): Client =>
          createClient({ transport: 'redis', url: interceptor.url, auditInterval: 200, dataLoss })
        await using one = open()
        await using two = open()
        await using outside = open()
        const clients = [one, two]
        const [first, second] = clients.map((client) => client.database('test').collection<Item>('items')) as [
          Collection<Item>,
          Collection<Item>,
        ]
        const cleared = clients.map((client) => client.database('test').collection<Item>('cleared'))
        const replicas = [first, second]
        const readies: ReadyInfo[] = []
        const deletes: string[][] = replicas.map((each, i) => {
          each.on('ready', (info) => void readies.push(info))
          each.on('delete', (key) => void deletes[i]?.push(key))
          return []
        })
        const replays = [...replicas, ...cleared].map((each) => new Replay(each))
        await Promise.all([...replicas, ...cleared].map((each) => each.subscribe()))

        // What the server will go back to, where it keeps anything.
        const writes: Promise<unknown>[] = []
        for (let v = 0; v < 100; v++) {
          writes.push(first.set(`old ${v}`, { v }, v % 2 ? 3600 : undefined))
          if (v < 20) writes.push(first.set(`doomed ${v}`, { v }), cleared[0]?.set(`key ${v}`, { v }) as Promise<void>)
        }
        for (const key of ['early', 'changed', 'retimed']) writes.push(second.set(key, { v: 1 }, 3600))
        writes.push(second.set('short', { v: 1 }, 0.3))
        await Promise.all(writes.splice(0))
        await second.delete('early')
        const lose = await loss(server, raw, interceptor)

        // What it will know nothing of.
        for (let v = 0; v < 100; v++) writes.push(second.set(`new ${v}`, { v }, v % 2 ? 3600 : undefined))
        for (let v = 0; v < 20; v++) writes.push(first.delete(`doomed ${v}`))
        writes.push(
          second.set('changed', { v: 2 }),
          second.set('retimed', { v: 2 }),
          cleared[1]?.clear() as Promise<void>,
        )
        writes.push(second.set('brief', { v: 1 }, 0.4))
        await Promise.all(writes.splice(0))
        await until('what is short has expired', () =>
          replicas.every((each) => !each.has('short') && !each.has('brief')),
        )
        await until('all have heard', () => {
          return replicas.every((each) => each.size === 202) && cleared.every(({ size }) => size === 0)
        })
        readies.length = 0
        for (const list of deletes) list.length = 0

        await lose()
        const from = awake()
        const others = outside.database('test').collection<Item>('items')
        for (let v = 0; v < 150; v++) writes.push(others.set(`other ${v}`, { v }))
        writes.push(others.set('old 1', { v: -1 }), others.set('new 1', { v: -1 }), others.delete('old 2'))
        await Promise.all(writes)

        await using back = await Raw.connect(interceptor.url)
        await until('it was noticed', () => readies.length >= 2)
        await untilEqual(back, [...replicas, ...cleared])
        await until('all are live', () =>
          [...replicas, ...cleared].every(({ freshness }) => freshness.state === 'live'),
        )
        const took = awake() - from
        note(`${name}, ${dataLoss}: all are equal after ${took.toFixed(0)} ms`)
        assert.ok(took < patience, `took ${took} ms`)
        for (const replay of replays) replay.check()

        const store = await readStore(back, 'items')
        const holds = (key: string) => (store.get(key) as Item | undefined)?.v
        const isRestored = dataLoss === 'restore'
        const old = isRestored || keeps
        assert.deepStrictEqual(
          ['old 0', 'old 1', 'old 2', 'old 3', 'new 0', 'new 1', 'new 2', 'changed', 'retimed'].map(holds),
          isRestored
            ? [0, -1, undefined, 3, 0, -1, 2, 2, 2]
            : [
                old ? 0 : undefined,
                -1,
                undefined,
                old ? 3 : undefined,
                undefined,
                -1,
                undefined,
                ...(keeps ? [1, 1] : [undefined, undefined]),
              ],
        )
        assert.deepStrictEqual(['early', 'short', 'brief'].map(holds), [undefined, undefined, undefined])
        assert.strictEqual(holds('doomed 1'), !isRestored && keeps ? 1 : undefined)
        assert.strictEqual((await readStore(back, 'cleared')).size, !isRestored && keeps ? 20 : 0)
        const left = async (key: string) => Number(await back.send('PTTL', `${base}:${key}`))
        if (old) {
          const ms = await left('old 3')
          assert.ok(ms > 3500_000 && ms <= 3600_000, `left ${ms}`)
          if (isRestored) assert.strictEqual(await left('retimed'), -1)
        }
        if (isRestored) {
          const ms = await left('new 3')
          assert.ok(ms > 3500_000 && ms <= 3600_000, `left ${ms}`)
          // Of the deletes that were told, none is false.
          assert.deepStrictEqual([...new Set(deletes.flat())], ['old 2'])
          for (const list of deletes) assert.ok(list.length <= 1)
          // Numbers are given to what is put back as well: each thing was, once or (by both at once) twice.
          for (const { lost, restored } of readies) assert.ok(lost >= restored, `${lost} lost, ${restored} restored`)
          assert.ok(readies.some(({ lost }) => lost >= 100))
        } else {
          for (const list of deletes) assert.strictEqual(new Set(list).size, list.length)
          for (const { restored } of readies) assert.strictEqual(restored, 0)
        }
      })
    }
  }

  test.after(async () => {
    for (const follower of followers) await follower.stop()
  })
}
