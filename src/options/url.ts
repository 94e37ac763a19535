/** Reads URLs. No message shows a part of one, since any part may be a password in the wrong place. */
import { isIPv6 } from 'node:net'
import { MemisError } from '../core/errors'
import { kindOf } from '../core/text'
import type { TransportName } from './known'

/** A URL that was understood. */
export interface StoreUrl {
  readonly transport: TransportName
  /** With a scheme that the package underneath knows. */
  readonly url: string
  /** `tls://`: nothing may be sent before TLS. */
  readonly needsTls: boolean
}

const schemes: Readonly<Record<string, { transport: TransportName; as: string; needsTls?: true }>> = {
  redis: { transport: 'redis', as: 'redis' },
  rediss: { transport: 'redis', as: 'rediss' },
  valkey: { transport: 'redis', as: 'redis' },
  valkeys: { transport: 'redis', as: 'rediss' },
  nats: { transport: 'nats', as: 'nats' },
  tls: { transport: 'nats', as: 'nats', needsTls: true },
  memory: { transport: 'memory', as: 'memory' },
}

const known = 'the schemes are redis:, rediss:, valkey:, valkeys:, nats:, tls: (NATS) and memory:'

/** For schemes of which it is clear what was wanted. */
const advice: readonly (readonly [advice: string, ...schemes: string[]])[] = [
  ['a Redis socket file is given as { socket: { path } }', 'unix', 'redis-socket', 'redis+socket', 'redis+unix'],
  [
    'give sentinel: { name, sentinelRootNodes: [{ host, port }] }',
    'redis-sentinel',
    'redis+sentinel',
    'rediss+sentinel',
    'sentinel',
  ],
  ['give cluster: { rootNodes: [{ url }] }', 'redis-cluster', 'redis+cluster', 'rediss+cluster', 'cluster'],
  ['write rediss:// for Redis over TLS', 'redis+tls', 'redis+ssl', 'redistls', 'redisstls'],
  ['NATS over WebSocket is not supported: give its nats:// port', 'ws', 'wss'],
  ['memis speaks the protocol of Redis or NATS, not HTTP: give the redis:// or nats:// URL', 'http', 'https'],
]

/** @throws MemisError `INVALID_OPTION` */
export function readUrl(given: unknown): StoreUrl {
  if (given === undefined) {
    throw invalid('url is undefined: is an environment variable not set? Leave it out for a server on localhost')
  }
  if (given instanceof URL) throw invalid('url must be a string, this is a URL: give its href')
  if (Array.isArray(given))
    throw invalid("url must be one string; several servers of NATS are given as servers: ['host:4222', …]")
  if (typeof given !== 'string') throw invalid(`url must be a string, this is ${kindOf(given)}`)
  const text = given.trim()
  if (text === '') throw invalid('url is empty: is an environment variable not set?')
  const [, scheme = '', rest = ''] = /^([a-z][a-z\d+.-]*):(.*)$/is.exec(text) ?? []
  const found = schemes[scheme.toLowerCase()]
  if (found === undefined) throw invalid(wrongScheme(text, scheme.toLowerCase(), rest))
  const { transport, as, needsTls = false } = found
  if (transport === 'memory') return { transport, url: `memory:${rest}`, needsTls }
  if (!rest.startsWith('//')) throw invalid(`the url has no // after its scheme: write ${as}://host:port`)
  checkParts('the url', transport, rest.slice(2))
  return { transport, url: `${as}:${rest}`, needsTls }
}

/** Servers of NATS, in the form that its client understands: it ignores schemes and users in a list of servers. */
export interface Servers {
  readonly servers: readonly string[]
  readonly needsTls: boolean
  readonly login: { readonly user: string; readonly pass: string } | { readonly token: string } | undefined
}

/** @throws MemisError `INVALID_OPTION` */
export function readServers(given: unknown): Servers {
  const list = Array.isArray(given) ? given : [given]
  if (list.length === 0) throw invalid("servers is empty: give servers: ['host:4222']")
  const parsed = list.map(readServer)
  const logins = new Set(parsed.flatMap(({ login }) => (login === '' ? [] : [login])))
  if (logins.size > 1)
    throw invalid('servers have several users or passwords: give user and pass, or token, as options')
  return {
    servers: parsed.map(({ host }) => host),
    needsTls: parsed.some(({ needsTls }) => needsTls),
    login: loginOf([...logins][0]),
  }
}

function readServer(server: unknown): { host: string; login: string; needsTls: boolean } {
  if (server === undefined) throw invalid('servers is undefined: is an environment variable not set?')
  if (typeof server !== 'string') throw invalid(`servers must be strings like host:4222, one is ${kindOf(server)}`)
  if (isIPv6(server)) return { host: server, login: '', needsTls: false }
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z][a-z\d+.-]*):\/\/)?(.*)$/is.exec(server.trim()) ?? []
  const found = schemes[scheme.toLowerCase()]
  if (found?.transport !== 'nats') {
    throw invalid('a server in servers has a scheme that is not of NATS: write nats:// or tls://')
  }
  checkParts('a server in servers', 'nats', rest)
  const at = rest.lastIndexOf('@')
  return {
    host: rest.slice(at + 1).replace(/\/$/, ''),
    login: rest.slice(0, Math.max(at, 0)),
    needsTls: found.needsTls === true,
  }
}

function loginOf(text: string | undefined): Servers['login'] {
  if (text === undefined) return undefined
  const [user = '', ...more] = text.split(':')
  const decoded = decodeURIComponent(user)
  return more.length === 0 ? { token: decoded } : { user: decoded, pass: decodeURIComponent(more.join(':')) }
}

function wrongScheme(text: string, scheme: string, rest: string): string {
  const found = advice.find(([, ...names]) => names.includes(scheme))
  if (found !== undefined) return `the scheme ${scheme} is not supported: ${found[0]}`
  if (rest.startsWith('//')) return `the url has a scheme that memis does not know; ${known}`
  const example = /:4222\b/.test(text) ? 'nats://host:4222' : 'redis://host:6379'
  return `the url has no scheme: write ${example}; ${known}`
}

/** Refuses whatever the package underneath would ignore, misread, or repeat in an error. */
function checkParts(what: string, transport: 'redis' | 'nats', rest: string): void {
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? ''
  const tail = rest.slice(authority.length)
  const at = authority.lastIndexOf('@')
  const host = authority.slice(at + 1)
  if (host.includes(',') || /,\s*[a-z]+:\/\//.test(rest)) {
    throw invalid(`${what} names several servers: ${several[transport]}`)
  }
  if (tail.includes('@') || !isDecodable(authority.slice(0, Math.max(at, 0)))) {
    throw invalid(
      `${what} has a user or password with a character that must be percent-encoded, such as # (%23), / (%2F), ? (%3F) or % (%25): use encodeURIComponent`,
    )
  }
  if (/\s/.test(rest)) throw invalid(`${what} has white space in it: percent-encode it as %20, or remove it`)
  if (/^(:|$)/.test(host)) throw invalid(`${what} names no host: is an environment variable not set?`)
  if (/^(undefined|null|nan)(:|$)/i.test(host)) {
    throw invalid(`the host in ${what} is ${/^\w+/.exec(host)?.[0]}: is an environment variable not set?`)
  }
  if (!URL.canParse(`redis://${authority}`)) {
    throw invalid(`${what} cannot be read: the host or the port (0 to 65535) is wrong; write ${examples[transport]}`)
  }
  if (/[?#]/.test(tail))
    throw invalid(`${what} has a part after ? or #, which memis does not know: give it as an option`)
  if (transport === 'redis' && !/^(\/\d*)?$/.test(tail))
    throw invalid(`the path of ${what} must be the number of a database, as in ${examples.redis}`)
  if (transport === 'nats' && !/^\/?$/.test(tail))
    throw invalid(`${what} has a path, which NATS does not know; write ${examples.nats}`)
}

const examples = { redis: 'redis://user:password@host:6379/0', nats: 'nats://user:password@host:4222' }
const several = {
  redis: 'give one; the nodes of a Redis Cluster go into cluster: { rootNodes: [{ url }] }, sentinels into sentinel',
  nats: "give them as servers: ['one:4222', 'two:4222'], with user and pass as options",
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const invalid = (message: string) => new MemisError('INVALID_OPTION', message)
