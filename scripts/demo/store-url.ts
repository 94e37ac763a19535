/** The URL of the user's store, and the way to it through a proxy. */
import { readUrl } from '../../src/options/url'
import { usage } from './arguments'
import { Complaint } from './complaint'

export interface RealStore {
  readonly kind: 'redis' | 'nats'
  readonly url: string
  /** For people: without user and password. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** The same URL, by a port of the loopback. */
  via(port: number): string
}

const standardPort = { redis: 6379, nats: 4222 }

/** Undefined for a store in memory. @throws Complaint with exit code 2 */
export function readStoreUrl(given: string | undefined): RealStore | undefined {
  if (given === undefined) return undefined
  const { transport, url, needsTls } = understood(given)
  if (transport === 'memory') return undefined
  if (needsTls || url.startsWith('rediss:')) {
    throw wrong('The demo cuts links in a proxy of its own, and TLS allows no proxy: give a URL without TLS.')
  }
  const parsed = new URL(url)
  return {
    kind: transport,
    url,
    name: `${parsed.protocol}//${parsed.host}`,
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(parsed.port || standardPort[transport]),
    via(port) {
      const there = new URL(url)
      there.hostname = '127.0.0.1'
      there.port = String(port)
      return there.href
    },
  }
}

function understood(given: string) {
  try {
    return readUrl(given)
  } catch (error) {
    throw wrong(`This is no store URL for the demo: ${(error as Error).message}.`)
  }
}

const wrong = (message: string) => new Complaint(`${message}\n\n${usage}`, 2)
