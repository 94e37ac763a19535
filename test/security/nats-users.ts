/** A NATS server with users who have few rights, and a way to send it what no client of NATS would. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '../../src'
import { natsServer, Raw, readStore } from '../nats/support'
import type { Site } from '../scenarios/site'
import type { Disposable } from '../support/testing'

/** The rights of an application, as SECURITY.md has them. */
export const writing = (bucket: string): string[] => [
  `$KV.${bucket}.>`,
  `$JS.FC.KV_${bucket}.>`,
  '$JS.API.INFO',
  ...['INFO', 'CREATE', 'MSG.GET'].map((call) => `$JS.API.STREAM.${call}.KV_${bucket}`),
  ...['CREATE', 'DELETE'].map((call) => `$JS.API.CONSUMER.${call}.KV_${bucket}.*`),
]

export interface User {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

export interface NatsSite extends Site {
  /** May do everything. */
  readonly raw: Raw
}

/** Clients of this site are the user `memis`, whose inboxes all users share. */
export async function siteWithUsers(users: Readonly<Record<string, User>>): Promise<Disposable<NatsSite>> {
  const folder = mkdtempSync(join(process.env.MEMIS_TMP ?? tmpdir(), 'memis-users-'))
  const config = join(folder, 'users.conf')
  const all = { memis: { publish: writing('memis-test'), subscribe: ['_INBOX.>'] }, ...users }
  const lines = Object.entries(all).map(([name, permissions]) => {
    return `{ user: ${name}, password: ${name}, permissions: ${JSON.stringify(permissions)} }`
  })
  writeFileSync(config, `authorization { users = [ { user: all, password: all }, ${lines.join()} ] }`)
  const server = await natsServer({ args: ['--config', config] })
  const raw = await Raw.connect(server.url, { user: 'all', pass: 'all' })
  return {
    server,
    raw,
    client: (options, port = server.port) =>
      createClient({ transport: 'nats', servers: `127.0.0.1:${port}`, user: 'memis', pass: 'memis', ...options }),
    read: (collection) => readStore(raw, collection),
    async [Symbol.asyncDispose]() {
      await raw[Symbol.asyncDispose]()
      await server.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

/** The subject at which a replica of the collection hears its consumer. */
export async function inboxesOf(raw: Raw, collection: string): Promise<{ name: string; inbox: string }[]> {
  const consumers = (await raw.consumers()) as unknown as {
    name: string
    config: { filter_subject: string; deliver_subject: string }
  }[]
  return consumers
    .filter(({ config }) => config.filter_subject === `$KV.memis-test.${collection}.>`)
    .map(({ name, config }) => ({ name, inbox: config.deliver_subject }))
}

/** Publishes by hand: the client packages refuse to send some headers that the server passes on. Resolves once the server has it. */
export function publishByHand(
  port: number,
  user: string,
  messages: readonly { readonly subject: string; readonly head: string; readonly text?: string }[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const login = {
      user,
      pass: user,
      verbose: false,
      pedantic: false,
      headers: true,
      protocol: 1,
      version: '1',
      lang: 'none',
    }
    const socket = connectSocket(port, '127.0.0.1', () => socket.write(`CONNECT ${JSON.stringify(login)}\r\n`))
    let heard = ''
    socket.once('data', () => {
      for (const { subject, head, text = '' } of messages) {
        const [headBytes, allBytes] = [Buffer.byteLength(head), Buffer.byteLength(head + text)]
        socket.write(`HPUB ${subject} ${headBytes} ${allBytes}\r\n${head}${text}\r\n`)
      }
      socket.write('PING\r\n')
      socket.on('data', (chunk) => {
        heard = (heard + chunk).slice(-2000)
        if (heard.includes('-ERR')) reject(new Error(heard))
        if (!heard.includes('PONG\r\n')) return
        socket.destroy()
        resolve()
      })
    })
    socket.on('error', reject)
  })
}

/** Headers that the server passes on, and that the client packages cannot read, or only in a long time. */
export const unreadable: Readonly<Record<string, string>> = {
  'a line break in a value': 'NATS/1.0\r\na: b\nc\r\n\r\n',
  'a carriage return in a value': 'NATS/1.0\r\na: b\rc\r\n\r\n',
  'a space in a name': 'NATS/1.0\r\na b: c\r\n\r\n',
  'a name in another alphabet': 'NATS/1.0\r\nназвание: c\r\n\r\n',
  'a status and a line break': 'NATS/1.0 100 Idle Heartbeat\r\na: b\nc\r\n\r\n',
  'ten thousand names': `NATS/1.0\r\n${Array.from({ length: 10_000 }, (_, i) => `${i.toString(36)}:`).join('\r\n')}\r\n\r\n`,
  '60 KB in one value': `NATS/1.0\r\na: ${'x'.repeat(60_000)}\r\n\r\n`,
}
