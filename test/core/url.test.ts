import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { readServers, readUrl } from '../../src/options/url'

const test = suite('url')

test('the scheme chooses the transport, and whether TLS is required', () => {
  const rows: [given: string, transport: string, url: string, needsTls: boolean][] = [
    ['redis://h', 'redis', 'redis://h', false],
    ['rediss://h', 'redis', 'rediss://h', false],
    ['valkey://u:p@h:1/2', 'redis', 'redis://u:p@h:1/2', false],
    ['valkeys://h', 'redis', 'rediss://h', false],
    ['nats://h', 'nats', 'nats://h', false],
    ['tls://u:p@h:4222', 'nats', 'nats://u:p@h:4222', true],
    ['memory:', 'memory', 'memory:', false],
    ['memory:name', 'memory', 'memory:name', false],
    ['memory://name', 'memory', 'memory://name', false],
    ['REDIS://h', 'redis', 'redis://h', false],
    [' redis://h\n', 'redis', 'redis://h', false],
  ]
  for (const [given, transport, url, needsTls] of rows) assert.deepEqual(readUrl(given), { transport, url, needsTls })
})

test('a URL that the client of the store understands is left as it is', () => {
  for (const url of [
    'redis://h:6379',
    'redis://h:6379/',
    'redis://h:6379/15',
    'redis://:p@h',
    'redis://u@h',
    'redis://u:p%23%40%2F@h',
    'redis://u:p@ss@h', // the last @ counts, in every parser
    'redis://[::1]:6379',
    'redis://127.0.0.1',
    'redis://a-b.c_d.example',
    'rediss://u:p!$&(*)+=;:,x@h',
    'nats://h:4222/',
    'nats://token@h',
    'nats://[::1]',
  ]) {
    assert.equal(readUrl(url).url, url)
  }
})

test('servers of NATS may have a scheme or none; one that asks for TLS asks for all', () => {
  const rows: [given: unknown, servers: string[], needsTls: boolean][] = [
    ['h', ['h'], false],
    [' h:4222 ', ['h:4222'], false],
    [['a:4222', 'b'], ['a:4222', 'b'], false],
    ['nats://h:4222/', ['h:4222'], false],
    [['[::1]:4222', '::1', '127.0.0.1'], ['[::1]:4222', '::1', '127.0.0.1'], false],
    ['tls://h', ['h'], true],
    [['h', 'TLS://i:4222'], ['h', 'i:4222'], true],
    [['tls://h', 'nats://i'], ['h', 'i'], true],
  ]
  for (const [given, servers, needsTls] of rows) {
    assert.deepEqual(readServers(given), { servers, needsTls, login: undefined })
  }
})

test('a user and password in servers are taken out, since the client of NATS ignores them there', () => {
  const rows: [given: unknown, login: object][] = [
    ['nats://u:p@h', { user: 'u', pass: 'p' }],
    [['u:p%23:%40@h', 'i'], { user: 'u', pass: 'p#:@' }],
    [['nats://u:p@h', 'tls://u:p@i'], { user: 'u', pass: 'p' }],
    ['nats://t%2Fk@h', { token: 't/k' }],
  ]
  for (const [given, login] of rows) {
    const read = readServers(given)
    assert.deepEqual(read.login, login)
    for (const server of read.servers) assert.match(server, /^[hi]$/)
  }
})

test('no message has a part of the URL in it, whatever is wrong', () => {
  const parts = ['s3cr3t', ':', '/', '@', '#', '?', '%', ',', ' ', '[', ']', 'redis', 'nats', 'tls', '//', 'h', '4222']
  let state = 1
  const roll = (end: number) => {
    state = (state * 48271) % 2147483647
    return state % end
  }
  let refused = 0
  for (let i = 0; i < 5000; i++) {
    const text = Array.from({ length: 1 + roll(8) }, () => parts[roll(parts.length)]).join('')
    for (const read of [readUrl, readServers]) {
      try {
        read(`${['', 'redis://', 'nats://', 'tls:'][roll(4)]}${text}`)
      } catch (error) {
        refused++
        const { code, message } = error as { code?: string; message: string }
        assert.equal(code, 'INVALID_OPTION', `${text}: ${error}`)
        assert.ok(!message.includes('s3cr3t'), message)
      }
    }
  }
  assert.ok(refused > 5000)
})

test.run()
