/** A way to a server on the loopback that can be cut, or held up without a word. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { freePort } from './free-port'

export type Direction = 'there' | 'back'

export interface TcpProxy {
  readonly port: number
  /** How many connections there are. */
  readonly connections: number
  /** Resets all connections, and refuses new ones. */
  cut(): void
  /**
   * Stops forwarding and closes nothing: connections are half-open, new ones are accepted and hear nothing. With a direction, what
   * goes to the server (`there`), or comes from it (`back`), is all that is held back.
   */
  freeze(direction?: Direction): void
  /** Undoes `cut` and `freeze`. What a freeze held back goes on its way, unless `cut` came between. */
  heal(): Promise<void>
  close(): Promise<void>
}

/** Resolves once it listens; it forwards to that port. */
export async function startProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const port = await freePort()
  const frozen = new Set<Direction>()
  const join = ([near, far]: readonly [Socket, Socket]) => {
    if (!frozen.has('there')) near.pipe(far)
    if (!frozen.has('back')) far.pipe(near)
  }

  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay()
      from.on('error', () => {}) // 'close' follows
      from.on('close', () => {
        pairs.delete(pair)
        to.destroy()
      })
    }
    join(pair)
  })

  const listen = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen()

  const proxy: TcpProxy = {
    port,
    get connections() {
      return pairs.size
    },
    cut() {
      server.close()
      for (const [near, far] of pairs) {
        // One that is ending by itself cannot be reset: Node.js would never tell that it is closed.
        if (near.writableEnded) near.destroy()
        else near.resetAndDestroy()
        far.destroy()
      }
      pairs.clear()
    },
    freeze(direction) {
      for (const each of direction === undefined ? (['there', 'back'] as const) : [direction]) frozen.add(each)
      for (const [near, far] of pairs) {
        if (frozen.has('there')) near.unpipe(far)
        if (frozen.has('back')) far.unpipe(near)
      }
    },
    async heal() {
      const held = [...frozen]
      frozen.clear()
      for (const [near, far] of pairs) {
        if (held.includes('there')) near.pipe(far)
        if (held.includes('back')) far.pipe(near)
      }
      if (!server.listening) await listen()
    },
    async close() {
      const sockets = [...pairs].flat()
      const closing = sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve)))
      server.close()
      // Not as `cut` does it: where the other end was faster, resetting fails, and no 'close' follows.
      for (const socket of sockets) socket.destroy()
      await Promise.all(closing)
    },
  }
  return proxy
}
