/** Looks into Redis without memis. */
import { createClient as createRedisClient, RESP_TYPES } from 'redis'

/** A client of node-redis that gives replies as they come: texts as strings, maps as lists. */
export class Raw {
  readonly #client
  readonly #binary

  private constructor(url: string, options: object) {
    this.#client = createRedisClient({ url, commandOptions: { timeout: 60_000 }, ...options }).withTypeMapping({
      [RESP_TYPES.MAP]: Array,
    })
    this.#client.on('error', () => {}) // a server that is killed; the commands tell
    this.#binary = this.#client.withTypeMapping({ [RESP_TYPES.MAP]: Array, [RESP_TYPES.BLOB_STRING]: Buffer })
  }

  static async connect(url: string, options: object = {}): Promise<Raw> {
    const raw = new Raw(url, options)
    await raw.#client.connect()
    return raw
  }

  // biome-ignore lint/suspicious/noExplicitAny: each command has a reply of its own
  send(...args: (string | number | Buffer)[]): Promise<any> {
    return this.#client.sendCommand(args.map((arg) => (typeof arg === 'number' ? String(arg) : (arg as string))))
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  sendBinary(...args: (string | Buffer)[]): Promise<any> {
    return this.#binary.sendCommand(args as string[])
  }

  /** The names of all keys of which the name begins so, in no order. */
  async keys(start = ''): Promise<string[]> {
    const found = new Set<string>()
    const pattern = `${start.replace(/[[\]*?\\^-]/g, '\\$&')}*`
    let cursor = '0'
    do {
      const [next, keys] = await this.send('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
      for (const key of keys) found.add(key)
      cursor = next
    } while (cursor !== '0')
    return [...found]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }
}

const escaped = (name: string) =>
  name.replace(/%/g, '%25').replace(/\{/g, '%7B').replace(/\}/g, '%7D').replace(/:/g, '%3A')

/** How the names of all keys of a collection begin, and the name of its channel. */
export const baseOf = (database: string, collection: string, prefix = 'memis'): string =>
  `${prefix}:{${escaped(database)}:${escaped(collection)}}`
