/** A way to a server that takes time. */
import { connect, createServer, type Socket } from 'node:net'
import type { Server } from './servers'
import type { Disposable } from './testing'

/** Everything takes so many ms, in either direction. */
export async function slowly(server: Server, ms: number): Promise<Disposable<{ port: number }>> {
  const sockets = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = connect(server.port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay()
      from.on('data', (chunk) => void setTimeout(() => to.writable && to.write(chunk), ms))
      from.on('error', () => {}) // 'close' follows
      from.on('close', () => to.destroy())
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    port: (proxy.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
