/** The proxy that faults are made with does what its name says. */
import * as assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { suite } from 'uvu'
import { startProxy } from './proxy'

const test = suite('proxy')

/** A server that gives back what it is sent, and a proxy to it. */
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

test('it forwards both ways', async () => {
  const { proxy, tearDown } = await setUp()
  const socket = dial(proxy.port)
  socket.write('hello')
  assert.deepEqual(await once(socket, 'data'), ['hello'])
  assert.equal(proxy.connections, 1)
  socket.destroy()
  await tearDown()
  assert.equal(proxy.connections, 0)
})

test('cut resets what there is and refuses what comes; heal lets in again', async () => {
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

test('freeze holds everything back and closes nothing; heal lets it go', async () => {
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
  // Time enough for what would come over the loopback: a round trip by another way.
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

test('a direction alone is held back: what is asked arrives and no answer comes, or nothing arrives', async () => {
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

test.run()
