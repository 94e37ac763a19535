/**
 * Somebody who may only use the inboxes of a NATS, those of memis too, or who has another bucket (H6, H7): whatever arrives at a replica's own
 * subject, in many shapes; while nobody writes and while others do.
 */
import assert from 'node:assert'
import { connect, type NatsConnection, headers as newHeaders } from '@nats-io/transport-node'
import { type Disposable, harmOf, suite } from '../support/testing'
import { inboxesOf, type NatsSite, publishByHand, siteWithUsers, unreadable, writing } from './nats-users'
import { type Ground, groundOf, Siege } from './siege'

const test = suite('security: inboxes of NATS', 60_000)
const assertUnharmed = harmOf(test)

let ground: Disposable<Ground<NatsSite>>
let tenant: NatsConnection
let neighbour: NatsConnection
/** Inboxes of answers that the tenant overheard. */
const overheard = new Set<string>()
let count = 0

test.before(async () => {
  const inboxes = ['_INBOX.>']
  ground = await groundOf(
    await siteWithUsers({
      tenant: { publish: inboxes, subscribe: inboxes },
      neighbour: { publish: writing('memis-other'), subscribe: inboxes },
    }),
  )
  const servers = ground.site.server.url
  tenant = await connect({ servers, user: 'tenant', pass: 'tenant' })
  neighbour = await connect({ servers, user: 'neighbour', pass: 'neighbour' })
  tenant.subscribe('_INBOX.>', {
    callback: (_, { subject }) => {
      overheard.add(subject)
      if (overheard.size > 500) overheard.delete([...overheard][0] as string)
    },
  })
})
test.after.each(async () => assertUnharmed())
test.after(async () => {
  await Promise.all([tenant.close(), neighbour.close()])
  await ground[Symbol.asyncDispose]()
})

type Send = (
  text: string | Uint8Array,
  options?: { reply?: string; status?: number; headers?: Record<string, string> },
) => void

const words = (text: string) => text.split(' ') as [string, string]

/** Messages of the tenant to a replica's inbox. `name`: of the replica's consumer. */
const junk: Record<string, (send: Send, name: string) => void> = {
  'questions of flow control, to be answered where commands go': (send) => {
    for (const command of ['PURGE', 'DELETE', 'INFO'])
      send('', { status: 100, reply: `$JS.API.STREAM.${command}.KV_memis-test` })
    for (const key of ['key=201', '=', 'x.y']) send('', { status: 100, reply: `$KV.memis-test.items.${key}` })
  },
  'questions of flow control of other consumers': (send, name) => {
    const subjects = [
      `KV_memis-test.${name}x.1`,
      `KV_memis-tes.${name}.1`,
      `KV_memis-test.other.${name}.1`,
      'KV_memis-other.a.1',
    ]
    for (const subject of subjects) send('', { status: 100, reply: `$JS.FC.${subject}` })
  },
  'stalled consumers, whose answer would be more than a subject': (send, name) => {
    const own = `$JS.FC.KV_memis-test.${name}.`
    for (const end of ['a b c d e', 'a 99999999', ' ', '*', '>', 'a.b', '', 'x'.repeat(5000), 'a\tb']) {
      send('', { status: 100, headers: { 'Nats-Consumer-Stalled': own + end } })
    }
  },
  'heartbeats of the future, the past and beyond': (send) => {
    for (const last of ['1', '999999', '9'.repeat(30), '-1', 'NaN', 'Infinity', '0x10', '']) {
      send('', { status: 100, headers: { 'Nats-Last-Consumer': last, 'Nats-Last-Stream': last } })
    }
  },
  'statuses of all kinds': (send) => {
    for (const status of [1, 99, 100, 101, 400, 404, 408, 409, 423, 503, 999]) send('', { status })
  },
  items: (send, name) => {
    send('{"true":-1,"lie":1}')
    for (const n of [1, 11, 12, 1000]) {
      send('{"true":-1,"lie":1}', { reply: `$JS.ACK.KV_memis-test.${name}.1.${n}.${n}.1795608895093055153.0` })
      send('{"true":-1,"lie":1}', { reply: `X.ACK.a.b.KV_memis-test.${name}.1.${n}.${n}.1795608895093055153.0` })
    }
  },
  tombstones: (send, name) => {
    for (const [header, value] of ['KV-Operation DEL', 'Nats-Marker-Reason MaxAge', 'Memis-Gone expire'].map(words)) {
      const headers = { [header]: value }
      send('', { headers })
      send('', { headers, reply: `${name}.1.1.1.1.1.0` })
    }
  },
  'answers of JetStream': (send) => {
    send(
      '{"type":"io.nats.jetstream.api.v1.stream_info_response","created":"2000-01-01T00:00:00Z","state":{"last_seq":0}}',
    )
    send('{"error":{"code":404,"err_code":10059,"description":"stream not found"}}')
    send('{"stream":"KV_memis-test","seq":1}')
  },
  megabytes: (send) => {
    for (let i = 0; i < 10; i++) send('x'.repeat(900_000))
    send(`{"true":-1,"lie":${'['.repeat(400_000)}`)
  },
  'five thousand words': (send) => {
    for (let i = 0; i < 5000; i++) send('x')
  },
}

/** Everything that a test of this page does with a strike. */
async function endures(
  strike: (name: string, inbox: string, collection: string) => unknown,
  codes: readonly string[] = ['UNTRUSTED'],
): Promise<void> {
  const name = `items${++count}`
  await using siege = await Siege.begin(ground, name)
  const before = await ground.site.raw.ask('STREAM.INFO.KV_memis-test')
  await siege.endure(async () => {
    const inboxes = await inboxesOf(ground.site.raw, name)
    assert.ok(inboxes.length >= 2, `${inboxes.length} replicas`)
    for (const { name: consumer, inbox } of inboxes) await strike(consumer, inbox, name)
    await Promise.all([tenant.flush(), neighbour.flush()])
  })
  assert.deepStrictEqual(siege.stales, [])
  for (const code of siege.complaints.flatMap((each) => each.codes)) assert.ok(codes.includes(code), code)
  const { created, config } = await ground.site.raw.ask('STREAM.INFO.KV_memis-test')
  assert.deepStrictEqual([created, config], [before.created, before.config])
}

const sendTo =
  (inbox: string): Send =>
  (text, { reply, status, headers } = {}) => {
    const list = newHeaders(status ?? 0, status === undefined ? '' : 'status')
    for (const [name, value] of Object.entries(headers ?? {})) list.set(name, value)
    const hasHeaders = status !== undefined || headers !== undefined
    tenant.publish(inbox, text, { ...(reply && { reply }), ...(hasHeaders && { headers: list }) })
  }

for (const [what, send] of Object.entries(junk)) {
  test(`at a replica's inbox, ${what}: ignored (H6)`, () => endures((name, inbox) => send(sendTo(inbox), name)))
}

for (const [what, head] of Object.entries(unreadable)) {
  test(`at a replica's inbox, headers with ${what}: ignored, and not looked into for long (H6, H7)`, () =>
    endures((_, inbox) =>
      publishByHand(ground.site.server.port, 'tenant', Array(20).fill({ subject: inbox, head, text: '{}' })),
    ))
}

test('where the last answers went, other answers: ignored (H6)', () =>
  endures(() => {
    for (const subject of overheard) {
      tenant.publish(subject, '{"stream":"KV_memis-test","seq":1}')
      tenant.publish(subject, '{"error":{"code":503,"err_code":10059,"description":"stream not found"}}')
      tenant.publish(subject, '', { headers: newHeaders(503, 'No Responders') })
      tenant.publish(
        subject.replace(/.$/, 'A'),
        '{"created":"2000-01-01T00:00:00Z","state":{"last_seq":0,"first_seq":1}}',
      )
    }
  }))

/** How a consumer of somebody else's stream is made that delivers to a replica. */
const consumers: Record<string, (name: string) => object> = {
  'from the first message': () => ({ deliver_policy: 'all' }),
  'from the last message': () => ({ deliver_policy: 'last' }),
  'from the last message of each key': () => ({ deliver_policy: 'last_per_subject' }),
  'from the message after what the replica has': () => ({ deliver_policy: 'by_start_sequence', opt_start_seq: 11 }),
  'from an hour ago': () => ({
    deliver_policy: 'by_start_time',
    opt_start_time: new Date(Date.now() - 3_600_000).toISOString(),
  }),
  'with flow control and heartbeats': () => ({
    deliver_policy: 'all',
    flow_control: true,
    idle_heartbeat: 100_000_000,
  }),
  'with headers alone': () => ({ deliver_policy: 'all', headers_only: true }),
  'with acknowledgements': () => ({
    deliver_policy: 'all',
    ack_policy: 'explicit',
    max_deliver: 3,
    ack_wait: 100_000_000,
  }),
  'with the name of the replica’s consumer': (name) => ({ name, deliver_policy: 'all' }),
  'with the end of its name': (name) => ({ name: `1-${name.slice(-8)}`, deliver_policy: 'all' }),
}

test.before(async () => {
  // A stream whose messages have the subjects of the victim, more of them than the victim has.
  const subjects = { src: '$KV.memis-other.>', dest: '$KV.memis-test.>' }
  const config = { name: 'KV_memis-other', subjects: [subjects.src], subject_transform: subjects, num_replicas: 1 }
  await neighbour.request('$JS.API.STREAM.CREATE.KV_memis-other', JSON.stringify(config), { timeout: 5000 })
})

for (const [what, policy] of Object.entries(consumers)) {
  test(`a consumer of another bucket delivers to a replica ${what}: ignored (H6)`, () =>
    endures(async (name, inbox, collection) => {
      for (const key of ['key=201', 'planted', 'key=202', 'key=201']) {
        for (let i = 0; i < 5; i++) {
          await neighbour.request(`$KV.memis-other.${collection}.${key}`, `{"true":-1,"lie":${i}}`, { timeout: 5000 })
        }
      }
      const config = {
        ...{ name: `mine-${++count}`, deliver_subject: inbox, ack_policy: 'none', mem_storage: true, num_replicas: 1 },
        ...{ filter_subject: `$KV.memis-test.${collection}.>`, ...policy(name) },
      }
      const question = JSON.stringify({ stream_name: 'KV_memis-other', config })
      const subject = `$JS.API.CONSUMER.CREATE.KV_memis-other.${config.name}`
      const { error } = (await neighbour.request(subject, question, { timeout: 5000 })).json<{ error?: object }>()
      assert.strictEqual(error, undefined)
    }))
}

test.run()
