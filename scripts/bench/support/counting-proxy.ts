/** A way to a server that can be cut, and that counts what the server sends. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../../../test/support/free-port'

export class CountingProxy {
  received = 0
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  readonly #server

  static async to(target: number): Promise<CountingProxy> {
    const proxy = new CountingProxy(target, await freePort())
    await proxy.heal()
    return proxy
  }

  private constructor(target: number, port: number) {
    this.#port = port
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1')
      far.on('data', (chunk) => {
        this.received += chunk.length
      })
      near.pipe(far)
      far.pipe(near)
      for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(socket.setNoDelay())
        socket.on('error', () => {}) // 'close' follows
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
    })
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`
  }

  cut(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async heal(): Promise<void> {
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening')
  }
}
