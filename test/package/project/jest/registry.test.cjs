// Jest loads each test file's modules anew. A module that leaves something behind outside would keep them all in memory.
const { setTimeout: sleep } = require('node:timers/promises')
const { behave } = require('../behave.cjs')

const load = () => {
  let memis
  jest.isolateModules(() => {
    memis = require('memis')
  })
  return memis
}

test('two registries hold two copies, which behave the same', async () => {
  const [one, other] = [load(), load()]
  expect(one.MemisError).not.toBe(other.MemisError)
  expect(new one.MemisError('CLOSED', 'x')).toBeInstanceOf(other.MemisError)
  const outcomes = []
  for (const memis of [one, other]) outcomes.push(await behave(memis, JSON.parse(process.env.SERVERS)))
  expect(outcomes[0]).toEqual(JSON.parse(process.env.EXPECTED))
  expect(outcomes[1]).toEqual(outcomes[0])
})

test('a registry that nobody uses any more is freed', async () => {
  // Each export on its own: something that stays may hold a part of memis only.
  const loaded = Object.entries(load()).map(([name, value]) => [name, new WeakRef(value)])
  const kept = () => loaded.filter(([, ref]) => ref.deref() !== undefined).map(([name]) => name)
  expect(loaded.length).toBeGreaterThan(3)
  for (let i = 0; i < 50 && kept().length > 0; i++) {
    await sleep(20)
    gc()
  }
  expect(kept()).toEqual([])
})
