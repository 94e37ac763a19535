/** A way to Redis on which what a network does now and then can be done on purpose, to a single message. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Server } from '../support/servers'

interface Connection {
  readonly near: Socket
  readonly far: Socket
  /** What was sent and is under way; null where it is forwarded at once. */
  held: Buffer[] | null
  /** Its next reply is lost, and the connection with it. */
  doomed: boolean
  /** What the server sends is lost. */
  deaf: boolean
  /** What was asked on it, the beginning. */
  asked: string
}

export class Interceptor {
  readonly #server = createServer((near) => this.#accept(near))
  readonly #connections = new Set<Connection>()
  #port: number
  #url = ''
  #loseReply: string | null = null
  #loseRequest: string | null = null
  #loseNotification: string | null = null
  /** How many messages were lost. */
  lost = 0
  /** What the server replied to what it got late. */
  lateReplies = ''

  private constructor(port: number) {
    this.#port = port
  }

  static async start(server: Server): Promise<Interceptor> {
    const interceptor = new Interceptor(server.port)
    interceptor.#server.listen(0, '127.0.0.1')
    await once(interceptor.#server, 'listening')
    interceptor.#url = `redis://127.0.0.1:${(interceptor.#server.address() as AddressInfo).port}`
    return interceptor
  }

  get url(): string {
    return this.#url
  }

  /** Whoever connects from now on reaches that server, as after a failover; the connections that there are break. */
  redirect(server: Server): void {
    this.#port = server.port
    for (const connection of this.#connections) this.#end(connection)
  }

  /** The next request with this text in it reaches the server; its reply is lost, and the connection breaks. */
  loseReply(text: string): void {
    this.#loseReply = text
  }

  /** The next request with this text in it does not reach the server, and the connection breaks. */
  loseRequest(text: string): void {
    this.#loseRequest = text
  }

  /** The next message of the server with this text in it is lost, and nothing else. */
  loseNotification(text: string): void {
    this.#loseNotification = text
  }

  /** The connections that there are hold back what is sent, also when the client has given them up; new ones are whole. */
  hold(): void {
    for (const connection of this.#connections) connection.held = []
  }

  /** How many requests with this text in them are held back. */
  holds(text: string): number {
    return [...this.#connections].filter(({ held }) => held && Buffer.concat(held).includes(text)).length
  }

  /** The connection on which this text was sent hears nothing more, and what it sends is lost: it is half-open. */
  deafen(text: string): void {
    for (const connection of this.#connections) if (connection.asked.includes(text)) connection.deaf = true
  }

  /** The connection on which this text was sent sends something that its client knows nothing of, and hears no answer. */
  inject(text: string, request: string): void {
    for (const { asked, far } of this.#connections) if (asked.includes(text)) far.write(request)
  }

  /** Reads nothing of what the server sends, until called with false. */
  pauseReplies(pause: boolean): void {
    for (const { far } of this.#connections) pause ? far.pause() : far.resume()
  }

  /** What was held back reaches the server now. */
  release(): void {
    for (const { far, held } of this.#connections) if (held) far.write(Buffer.concat(held.splice(0)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const connection of this.#connections) this.#end(connection)
    await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    const connection: Connection = {
      near,
      far: connect(this.#port, '127.0.0.1'),
      held: null,
      doomed: false,
      deaf: false,
      asked: '',
    }
    const { far } = connection
    this.#connections.add(connection)
    for (const socket of [near, far]) {
      socket.setNoDelay()
      socket.on('error', () => {}) // 'close' follows
    }
    near.on('data', (chunk) => this.#request(connection, chunk))
    far.on('data', (chunk) => this.#reply(connection, chunk))
    near.on('close', () => connection.held ?? this.#end(connection))
    far.on('close', () => this.#end(connection))
  }

  #request(connection: Connection, chunk: Buffer): void {
    connection.asked = (connection.asked + chunk).slice(0, 10_000)
    if (connection.deaf) return
    if (connection.held) connection.held.push(chunk)
    else if (this.#loseRequest !== null && chunk.includes(this.#loseRequest)) {
      this.#loseRequest = null
      this.lost++
      this.#end(connection)
    } else {
      if (this.#loseReply !== null && chunk.includes(this.#loseReply)) {
        this.#loseReply = null
        connection.doomed = true
      }
      connection.far.write(chunk)
    }
  }

  #reply(connection: Connection, chunk: Buffer): void {
    if (connection.deaf) return
    if (connection.held) this.lateReplies += chunk
    else if (connection.doomed) {
      this.lost++
      this.#end(connection)
    } else if (this.#loseNotification !== null && chunk.includes(this.#loseNotification)) {
      this.#loseNotification = null
      this.lost++
    } else connection.near.write(chunk)
  }

  #end(connection: Connection): void {
    this.#connections.delete(connection)
    connection.near.destroy()
    connection.far.destroy()
  }
}
