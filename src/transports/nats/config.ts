/** The settings of a stream: those that memis gives to one that it makes, and what those of another one mean. No I/O. */
import { MemisError } from '../../core/errors'
import type { Host } from '../../core/transport'
import { header } from './decode'
import { youth } from './epochs'
import type { Names } from './names'
import type { BucketOptions } from './options'
import type { Answer, HeaderList } from './wire'

/** Durations of JetStream are in ns. */
export const nsPerMs = 1e6

/** What the settings of a stream mean. */
export interface StreamSettings {
  /** The server removes what has a ttl. */
  readonly expires: boolean
  /** How long tombstones stay (ms). */
  readonly tombstoneTtl: number
  /** How long a replica can rely on tombstones (ms); 0 if some may be missing at any time. */
  readonly retention: number
  /** Everything older is removed (ms). */
  readonly maxAge: number
  /** For how long the ids of messages are remembered (ms). */
  readonly window: number
  /** Only the last message of each subject is kept. */
  readonly isLastOnly: boolean
  /** It lies on more than one server. */
  readonly isReplicated: boolean
  /** It accepts atomic batches. */
  readonly isAtomic: boolean
  /** Of a bucket that does not exist, and that this client must not make: false. */
  readonly exists: boolean
}

/** Ids of messages are remembered for so long (ms) at least. */
const shortestWindow = 30_000

/** As KV clients make it; and for memis, so that repeated writes are recognised, and that what expires leaves a marker. */
export function ownConfig({ bucket, stream }: Names, options: BucketOptions, host: Host, isAtomic: boolean): object {
  const { replicas = 1, storage = 'file', maxBytes = -1, placement, description = 'memis' } = options
  return {
    name: stream,
    description,
    subjects: [`$KV.${bucket}.>`],
    retention: 'limits',
    discard: 'new',
    storage,
    num_replicas: replicas,
    ...(placement === undefined ? {} : { placement }),
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_bytes: maxBytes,
    max_msg_size: -1,
    max_consumers: -1,
    max_age: 0,
    duplicate_window: Math.max(shortestWindow, 2 * host.writeTimeout) * nsPerMs,
    allow_rollup_hdrs: true,
    allow_direct: true,
    deny_delete: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: 1000 * wholeSeconds(host.retention) * nsPerMs,
    ...(isAtomic ? { allow_atomic: true } : {}),
  }
}

export function readConfig(config: Answer, host: Host): StreamSettings {
  const maxAge = config.max_age > 0 ? config.max_age / nsPerMs : Infinity
  const markerTtl: number = (config.subject_delete_marker_ttl ?? 0) / nsPerMs
  const expires = config.allow_msg_ttl === true
  const hasMarkers = expires && markerTtl > 0
  const mayMiss = !hasMarkers && (expires || maxAge < Infinity)
  const tombstoneTtl = hasMarkers ? markerTtl : expires ? host.retention : Infinity
  return {
    expires,
    tombstoneTtl: Math.min(tombstoneTtl, maxAge),
    retention: mayMiss ? 0 : Math.min(host.retention, tombstoneTtl, maxAge),
    maxAge,
    window: (config.duplicate_window ?? 0) / nsPerMs,
    isLastOnly: config.max_msgs_per_subject === 1,
    isReplicated: config.num_replicas > 1,
    isAtomic: config.allow_atomic === true,
    exists: config.name !== undefined,
  }
}

/** @throws MemisError `UNSUPPORTED_STORE` that names the setting which keeps the bucket from serving, and how it is mended */
export function checkConfig({ bucket, stream }: Names, config: Answer): void {
  const cannot = (setting: string, why: string, flags: string) => {
    const remedy = flags === '' ? 'use another bucket' : `nats stream edit ${stream} ${flags}`
    const message = `the bucket ${bucket} cannot serve: ${setting} ${why}; to mend it: ${remedy}`
    throw new MemisError('UNSUPPORTED_STORE', message, { stored: 'no' })
  }
  if (!config.subjects?.includes(`$KV.${bucket}.>`))
    cannot('subjects', 'does not hold those of a KV bucket', `--subjects '$KV.${bucket}.>'`)
  if (config.retention !== 'limits') cannot('retention', `is ${config.retention}, not limits`, '')
  if (config.mirror) cannot('mirror', 'is set: it takes no writes', '')
  if (config.sealed) cannot('sealed', 'is set: it takes no writes', '')
  if (config.no_ack) cannot('no_ack', 'is set: no write would be confirmed', '--ack')
  if (config.discard_new_per_subject)
    cannot('discard_new_per_subject', 'is set: no item could be replaced', '--no-discard-per-subject')
  if (config.discard !== 'new' && (config.max_bytes > 0 || config.max_msgs > 0))
    cannot('discard', 'is old: items would vanish when it is full', '--discard new')
}

/** The server takes whole seconds. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000))

/** The refusal of what needs a setting that the bucket lacks. */
export const lacking = ({ bucket, stream }: Names, what: string, setting: string, flags: string): MemisError =>
  new MemisError(
    'UNSUPPORTED_STORE',
    `${what} needs the setting ${setting} of the bucket ${bucket}: nats stream edit ${stream} ${flags}`,
    { stored: 'no' },
  )

/** Headers that say when an item expires. `stays`: the server keeps it for a moment, also if its time is over. */
export function ttlHeaders(ttlMs: number | null, { expires }: StreamSettings, stays: boolean): HeaderList {
  if (ttlMs === null) return []
  const exact = Math.max(1, Math.round(ttlMs))
  const seconds = wholeSeconds(stays ? Math.max(exact, youth) : exact)
  return [[header.exactTtl, String(exact)], ...(expires ? [[header.ttl, `${seconds}s`] as const] : [])]
}

const purgeHeaders = (seconds: number, { expires }: StreamSettings): HeaderList => [
  [header.operation, 'PURGE'],
  ...(expires ? [[header.ttl, `${seconds}s`] as const] : []),
]

/** Headers of a message of no key, which nobody needs once it was accepted. */
export const briefHeaders = (settings: StreamSettings): HeaderList => purgeHeaders(1, settings)

/** Headers of a tombstone. After a `DEL`, the server would leave a marker when its ttl is over. */
export const tombstoneHeaders = (settings: StreamSettings): HeaderList =>
  purgeHeaders(wholeSeconds(settings.tombstoneTtl), settings)
