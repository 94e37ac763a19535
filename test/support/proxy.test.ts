/** The proxy that tests make faults with. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { suite } from 'uvu'
import { startProxy } from './proxy'

const test = suite('proxy')

/** An echo server, and a proxy to it. */
async function setUp() {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startProxy((server.address() as AddressInfo).port)
  const tearDown = async () => {
    await proxy.close()
    server.close()
    await once(server, 'close')
  }
  return { proxy, tearDown }
}

const dial = (port: number) =>
  connect(port, '127.0.0.1')
    .setEncoding('utf8')
    .on('error', () => {})

test('forwards in both directions', async () => {
  const { proxy, tearDown } = await setUp()
  const socket = dial(proxy.port)
  socket.write('hello')
  assert.deepEqual(await once(socket, 'data'), ['hello'])
  assert.equal(proxy.connections, 1)
  socket.destroy()
  await tearDown()
  assert.equal(proxy.connections, 0)
})

test('cut resets connections and refuses new ones; heal accepts them again', async () => {
  const { proxy, tearDown } = await setUp()
  const socket = dial(proxy.port)
  socket.write('hello')
  await once(socket, 'data')
  const closed = new Promise((resolve) => socket.on('close', resolve))
  proxy.cut()
  await closed
  const refused = connect(proxy.port, '127.0.0.1')
  assert.equal((await once(refused, 'error').catch((error) => [error]))[0].code, 'ECONNREFUSED')
  await proxy.heal()
  const again = dial(proxy.port)
  again.write('again')
  assert.deepEqual(await once(again, 'data'), ['again'])
  await tearDown()
})

test('freeze holds everything back and closes nothing; heal forwards it', async () => {
  const { proxy, tearDown } = await setUp()
  const socket = dial(proxy.port)
  socket.write('before')
  await once(socket, 'data')
  proxy.freeze()
  const heard: string[] = []
  socket.on('data', (chunk) => heard.push(String(chunk))).on('close', () => heard.push('closed'))
  socket.write('frozen')
  const another = dial(proxy.port)
  await once(another, 'connect')
  another.write('too')
  // Anything that came over the loopback would be here after some round trips by another way.
  const { proxy: other, tearDown: tearDownOther } = await setUp()
  const witness = dial(other.port)
  for (let i = 0; i < 10; i++) {
    witness.write('x')
    await once(witness, 'data')
  }
  assert.deepEqual(heard, [])
  const both = Promise.all([once(socket, 'data'), once(another, 'data')])
  await proxy.heal()
  assert.deepEqual(await both, [['frozen'], ['too']])
  await tearDownOther()
  await tearDown()
})

test('freeze holds back one direction alone: requests arrive without an answer, or do not arrive', async () => {
  const arrived: string[] = []
  const server = createServer((socket) => {
    socket.setEncoding('utf8').on('error', () => {})
    socket.on('data', (chunk) => {
      arrived.push(String(chunk))
      socket.write(chunk)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startProxy((server.address() as AddressInfo).port)
  const socket = dial(proxy.port)
  const heard: string[] = []
  socket.on('data', (chunk) => heard.push(String(chunk)))
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise(setImmediate)
  }
  socket.write('a')
  await until(() => heard.length === 1)
  proxy.freeze('back')
  socket.write('b')
  await until(() => arrived.length === 2)
  assert.deepEqual(heard, ['a'])
  await proxy.heal()
  await until(() => heard.length === 2)
  proxy.freeze('there')
  socket.write('c')
  const another = dial(proxy.port)
  another.write('d')
  await once(another, 'connect')
  assert.deepEqual(arrived, ['a', 'b'])
  await proxy.heal()
  await until(() => arrived.length === 4)
  await proxy.close()
  server.close()
  await once(server, 'close')
})

test('loseNext loses one matching chunk from the server; received counts what the server sends', async () => {
  const { proxy, tearDown } = await setUp()
  const socket = dial(proxy.port)
  const heard: string[] = []
  socket.on('data', (chunk) => heard.push(String(chunk)))
  const echoed = async (text: string) => {
    const before = proxy.received
    socket.write(text)
    while (proxy.received < before + text.length) await new Promise(setImmediate)
  }
  proxy.loseNext((chunk) => chunk.includes('b'))
  for (const text of ['a', 'bb', 'bc']) await echoed(text)
  while (heard.length < 2) await new Promise(setImmediate)
  assert.deepEqual(heard, ['a', 'bc'])
  assert.equal(proxy.received, 5)
  await tearDown()
})

test.run()
