/** A user of Redis with the right to channels and to nothing else, and what it can make of what it hears. */
import { createHash } from 'node:crypto'
import { createClient } from 'redis'
import { baseOf, type Raw } from '../redis/support'
import type { Server } from '../support/servers'

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/** A notification, taken apart. */
export interface Heard {
  readonly text: string
  readonly header: string
  readonly payload: string
  readonly sign: string
  readonly before: string
  readonly epoch: string
  readonly first: number
  readonly last: number
}

function parse(text: string): Heard {
  const [header = '', payload = ''] = text.split('\n')
  const [, sign = '', before = '', epoch = '', first, last] = header.split(' ')
  return { text, header, payload, sign, before, epoch, first: Number(first), last: Number(last) }
}

export class Tenant implements AsyncDisposable {
  readonly base: string
  /** Messages of others. */
  readonly heard: string[] = []
  readonly #said = new Set<string>()
  readonly #talks
  readonly #listens

  private constructor(url: string, collection: string) {
    this.base = baseOf('test', collection)
    this.#talks = createClient({ url })
    this.#listens = createClient({ url })
    // The server may cut it off, too.
    for (const client of [this.#talks, this.#listens]) client.on('error', () => {})
  }

  static async of(raw: Raw, server: Server, collection: string): Promise<Tenant> {
    const rights = ['resetkeys', 'resetchannels', '&memis:*', '-@all', '+publish', '+subscribe', '+hello']
    await raw.send('ACL', 'SETUSER', 'tenant', 'on', '>secret', ...rights)
    const tenant = new Tenant(server.url.replace('//', '//tenant:secret@'), collection)
    await Promise.all([tenant.#talks.connect(), tenant.#listens.connect()])
    await tenant.#listens.subscribe(tenant.base, (message) => {
      if (!tenant.#said.has(message)) tenant.heard.push(message)
    })
    return tenant
  }

  /** The last notification that it heard. */
  get last(): Heard {
    return parse(this.heard.at(-1) ?? '')
  }

  publish(message: string, channel = this.base): Promise<number> {
    this.#said.add(message)
    return this.#talks.publish(channel, message)
  }

  /** Says it often, all at once. */
  async flood(messages: readonly string[], times: number): Promise<void> {
    const all = Array.from({ length: times }, (_, i) => messages[i % messages.length] as string)
    await Promise.all(all.map((message) => this.publish(message)))
  }

  /** A notification as well as somebody can sign it who does not know the secret. */
  forge(first: number | string, last: number | string, payload = lie, { secret = '', extras = '' } = {}): string {
    const { sign, epoch } = this.last
    const body = `${sign.slice(0, 16)} ${epoch} ${first} ${last}${extras}`
    return `memis2 ${sha1(secret + sha1(`${secret}${body}\n${sha1(payload)}`))} ${body}\n${payload}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#talks.destroy()
    this.#listens.destroy()
  }
}

/** A set, a key that was never written, a delete. */
export const lie = '[["key 1",0,{"true":-1,"lie":1}],["planted",0,{"lie":1}],["key 2"]]'
