/** The names of options are those of the packages that are installed: nothing valid is refused. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import ts from 'typescript'
import { suite } from 'uvu'
import { nearest } from '../../src/core/nearest'
import { ownOptions } from '../../src/core/options'
import { guessTransport, refuseUnknown } from '../../src/options/known'

const test = suite('known options')

/** memis sets these itself; with what the message must say of it. */
const owned = {
  redis: {
    disableOfflineQueue: /queue/,
    commandsQueueMaxLength: /queue/,
    pingInterval: /livenessTimeout/,
    keyPrefix: /prefix/,
    readonly: /readOnly/,
    clientSideCache: /caches/,
    emitInvalidate: /caches/,
    commandOptions: /its commands/,
  },
  socket: { reconnectStrategy: /reconnects/, socketTimeout: /livenessTimeout/ },
  nats: {
    reconnect: /reconnects/,
    maxReconnectAttempts: /reconnects/,
    reconnectTimeWait: /reconnects/,
    reconnectJitter: /reconnects/,
    reconnectJitterTLS: /reconnects/,
    reconnectDelayHandler: /reconnects/,
    waitOnFirstConnect: /reconnects/,
    ignoreAuthErrorAbort: /reconnects/,
    pingInterval: /livenessTimeout/,
    maxPingOut: /livenessTimeout/,
  },
}

/** The names of the properties of types, all members of a union together. */
function namesOf(code: string): Record<string, string[]> {
  const file = join(__dirname, 'probe.ts')
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.Node16,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    noEmit: true,
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.ES2022, true)
  host.getSourceFile = (name, ...more) => (name === file ? source : getSourceFile(name, ...more))
  host.fileExists = (name) => name === file || fileExists(name)
  const program = ts.createProgram([file], options, host)
  assert.deepEqual(
    program.getSemanticDiagnostics(source).map(({ messageText }) => messageText),
    [],
  )
  const checker = program.getTypeChecker()
  const names: Record<string, string[]> = {}
  source.forEachChild((node) => {
    if (!ts.isTypeAliasDeclaration(node)) return
    const type = checker.getTypeAtLocation(node.name)
    const members = type.isUnion() ? type.types : [type]
    names[node.name.text] = [...new Set(members.flatMap((each) => each.getProperties().map(({ name }) => name)))]
  })
  return names
}

const { redis, socket, nats2, nats3 } = namesOf(`
  import type { RedisClientOptions } from 'redis'
  import type { ConnectionOptions } from 'nats'
  import type { NodeConnectionOptions } from '@nats-io/transport-node'
  export type redis = RedisClientOptions
  export type socket = NonNullable<RedisClientOptions['socket']>
  export type nats2 = ConnectionOptions
  export type nats3 = NodeConnectionOptions
`) as Record<'redis' | 'socket' | 'nats2' | 'nats3', string[]>

const refusal = (transport: 'redis' | 'nats' | 'memory', options: object): string | undefined => {
  try {
    refuseUnknown(transport, options as Record<string, unknown>)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

test('the types of the packages were found', () => {
  for (const [names, some] of [
    [redis, 'credentialsProvider'],
    [socket, 'rejectUnauthorized'],
    [nats2, 'inboxPrefix'],
    [nats3, 'noAsyncTraces'],
  ] as const) {
    assert.ok(names.length > 15 && names.includes(some))
  }
})

test('every option of node-redis is accepted, but for those that memis sets itself', () => {
  for (const name of redis)
    assert.equal(refusal('redis', { [name]: undefined }) !== undefined, name in owned.redis, name)
  for (const [name, word] of Object.entries(owned.redis))
    assert.match(String(refusal('redis', { [name]: undefined })), word)
})

test('so is every option of its socket', () => {
  const refused = (name: string) => refusal('redis', { socket: { [name]: undefined } })
  for (const name of socket) assert.equal(refused(name) !== undefined, name in owned.socket, name)
  for (const [name, word] of Object.entries(owned.socket)) assert.match(String(refused(name)), word)
})

test('so is every option of both clients of NATS', () => {
  for (const name of [...nats2, ...nats3]) {
    assert.equal(refusal('nats', { [name]: undefined }) !== undefined, name in owned.nats, name)
  }
  for (const [name, word] of Object.entries(owned.nats))
    assert.match(String(refusal('nats', { [name]: undefined })), word)
})

test('options of redis 5 that redis 6 has no more are accepted', () => {
  assert.equal(refusal('redis', { unstableResp3: true }), undefined)
})

test('options that memis adds are accepted', () => {
  assert.equal(refusal('redis', { url: '', client: 1 }), undefined)
  const bucket = { replicas: 3, storage: 'file', maxBytes: 1, placement: {}, description: 'x' }
  assert.equal(refusal('nats', { url: '', connection: 1, bucket, domain: 'hub', apiPrefix: 'JS' }), undefined)
  assert.equal(refusal('memory', { url: '', hub: 1 }), undefined)
})

test('every known name is the nearest one to itself in another case', () => {
  for (const name of [...redis, ...socket, ...nats3, ...ownOptions]) {
    const known = [...new Set([...redis, ...socket, ...nats3, ...ownOptions])].filter((each) => each !== 'readonly')
    if (name === 'readonly') continue
    assert.equal(nearest(name.toUpperCase(), known)?.toLowerCase(), name.toLowerCase())
  }
})

test('the nearest name is found despite a letter too many, too few, wrong or swapped', () => {
  const rows: [given: string, meant: string | undefined][] = [
    ['writeTimeOut', 'writeTimeout'],
    ['write-timeout', 'writeTimeout'],
    ['WRITE_TIMEOUT', 'writeTimeout'],
    ['writTimeout', 'writeTimeout'],
    ['writeTimeouts', 'writeTimeout'],
    ['wirteTimeout', 'writeTimeout'],
    ['maxItem', 'maxItems'],
    ['auditIntervalMs', 'auditInterval'],
    ['prefx', 'prefix'],
    ['something', undefined],
    ['x', undefined],
    ['', undefined],
    ['x'.repeat(1000), undefined],
  ]
  for (const [given, meant] of rows) assert.equal(nearest(given, ownOptions), meant, given)
})

test('options tell which transport they are for', () => {
  assert.equal(guessTransport({ socket: {} }), 'redis')
  assert.equal(guessTransport({ host: 'h' }), 'redis')
  assert.equal(guessTransport({ servers: [] }), 'nats')
  assert.equal(guessTransport({ hub: {} }), 'memory')
  assert.equal(guessTransport({ other: 1 }), undefined)
})

test.run()
