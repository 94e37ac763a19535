/** A TCP proxy to a server. A test can cut it, silence it, or have it lose a message. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { freePort } from './free-port'

/** `there`: to the server. `back`: from the server. */
export type Direction = 'there' | 'back'

export interface TcpProxy {
  readonly port: number
  /** How many connections are open. */
  readonly connections: number
  /** How many bytes the server has sent so far. */
  readonly received: number
  /** Resets all connections, and refuses new ones. */
  cut(): void
  /**
   * Stops forwarding, in both directions or in one, and closes nothing: connections are half-open, and new ones are
   * accepted but get no answer.
   */
  freeze(direction?: Direction): void
  /** Undoes `cut` and `freeze`. Data that a freeze held back is forwarded now, unless its connection was cut. */
  heal(): Promise<void>
  /** Loses the next chunk from the server that matches, and nothing else. */
  loseNext(matches: (chunk: Buffer) => boolean): void
  close(): Promise<void>
}

/** Resolves once the proxy listens, on the loopback. */
export async function startProxy(target: number, host = '127.0.0.1'): Promise<TcpProxy> {
  const port = await freePort()
  const links = new Set<Link>()
  const frozen = new Set<Direction>()
  let received = 0
  let isUnwanted = (_: Buffer) => false

  const passes = (chunk: Buffer): boolean => {
    received += chunk.length
    if (!isUnwanted(chunk)) return true
    isUnwanted = () => false
    return false
  }
  const server = createServer((near) => {
    const link = new Link(near, connect(target, host), passes, () => links.delete(link))
    links.add(link)
    for (const direction of frozen) link.hold(direction)
  })
  const listen = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen()

  return {
    port,
    get connections() {
      return links.size
    },
    get received() {
      return received
    },
    cut() {
      server.close()
      for (const link of links) link.reset()
      links.clear()
    },
    freeze(direction) {
      for (const each of direction === undefined ? (['there', 'back'] as const) : [direction]) {
        frozen.add(each)
        for (const link of links) link.hold(each)
      }
    },
    async heal() {
      for (const direction of frozen) for (const link of links) link.release(direction)
      frozen.clear()
      if (!server.listening) await listen()
    },
    loseNext(matches) {
      isUnwanted = matches
    },
    async close() {
      server.close()
      await Promise.all([...links].map((link) => link.destroy()))
    },
  }
}

/** A client's connection and the one to the server that belongs to it. */
class Link {
  readonly #near: Socket
  readonly #far: Socket
  readonly #held = new Set<Direction>()

  /** `passes` decides about each chunk from the server. */
  constructor(near: Socket, far: Socket, passes: (chunk: Buffer) => boolean, closed: () => void) {
    this.#near = near
    this.#far = far
    this.#forward('there', () => true)
    this.#forward('back', passes)
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      socket.setNoDelay()
      socket.on('error', () => {}) // 'close' follows
      socket.on('close', () => {
        closed()
        other.destroy()
      })
    }
  }

  hold(direction: Direction): void {
    this.#held.add(direction)
    this.#source(direction).pause()
  }

  release(direction: Direction): void {
    this.#held.delete(direction)
    this.#source(direction).resume()
  }

  reset(): void {
    // A socket that is ending cannot be reset: Node.js would never emit 'close' for it.
    if (this.#near.writableEnded) this.#near.destroy()
    else this.#near.resetAndDestroy()
    this.#far.destroy()
  }

  /** Resolves once both connections are closed. */
  async destroy(): Promise<void> {
    const sockets = [this.#near, this.#far]
    const closed = sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve)))
    // No reset: it fails if the other end was faster, and then no 'close' follows.
    for (const socket of sockets) socket.destroy()
    await Promise.all(closed)
  }

  #source(direction: Direction): Socket {
    return direction === 'there' ? this.#near : this.#far
  }

  #forward(direction: Direction, passes: (chunk: Buffer) => boolean): void {
    const from = this.#source(direction)
    const to = direction === 'there' ? this.#far : this.#near
    from.on('data', (chunk) => {
      if (passes(chunk) && !to.write(chunk)) from.pause()
    })
    from.on('end', () => to.end())
    to.on('drain', () => {
      if (!this.#held.has(direction)) from.resume()
    })
  }
}
