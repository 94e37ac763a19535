/** A server of a group, with a connection to look at it and to direct it, which is made again when it is needed. */
import { createClient as createRedisClient, type RedisClientType } from 'redis'
import { type RedisOptions, type Server, startRedis } from './servers'

export interface GroupSettings extends Pick<RedisOptions, 'binary'> {
  /** More arguments of the servers, of all or of each. */
  args?: string[] | (() => string[])
}

/** The arguments of the next server. */
export const argsOf = ({ args = [] }: GroupSettings): string[] => (typeof args === 'function' ? args() : args)

export class RedisNode {
  readonly server: Server
  /** Its name in a cluster. */
  id = ''
  #client: Promise<RedisClientType> | undefined

  private constructor(server: Server) {
    this.server = server
  }

  static async start(options: RedisOptions): Promise<RedisNode> {
    return new RedisNode(await startRedis(options))
  }

  get port(): number {
    return this.server.port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  // biome-ignore lint/suspicious/noExplicitAny: each command has a reply of its own
  async send(...args: (string | number)[]): Promise<any> {
    this.#client ??= this.#connect()
    const client = await this.#client.catch((error) => {
      this.#client = undefined
      throw error
    })
    return client.sendCommand(args.map(String))
  }

  /** A field of INFO. */
  async info(section: string, field: string): Promise<string | undefined> {
    return new RegExp(`^${field}:(.*?)\r?$`, 'm').exec(String(await this.send('INFO', section)))?.[1]
  }

  async stop(): Promise<void> {
    this.server.resume()
    await this.server.stop()
    ;(await this.#client?.catch(() => undefined))?.destroy()
  }

  async #connect(): Promise<RedisClientType> {
    const client = createRedisClient({
      url: this.server.url,
      RESP: 2,
      disableOfflineQueue: true,
      commandOptions: { timeout: 10_000 },
      socket: { reconnectStrategy: false },
    }) as unknown as RedisClientType
    client.on('error', () => {
      this.#client = undefined
    })
    await client.connect()
    return client
  }
}
