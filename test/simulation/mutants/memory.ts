/** Faults of the store and of the transport to it. */
import { faultsIn, type Mutant } from './mutate'

export const ofTheMemoryTransport: readonly Mutant[] = [
  ...faultsIn('src/transports/memory/session.ts', {
    'no check for gaps': ['Session.receive', 'first > state.place + 1', 'false'],
    'news of another epoch are taken': ['Session.receive', 'epoch !== state.epoch', 'false'],
    'news are told again': ['Session.receive', 'last <= state.place', 'false'],
    'news that come before the contents are lost': [
      'Session.begin',
      'for (const news of early) this.receive(news)',
      '',
    ],
    'an audit does not compare': ['Session.audit', 'at.epoch !== epoch || at.n !== place', 'false'],
    'an audit does not look for evicted items': ['Session.audit', 'this.#sink.entries($)', ''],
    'a transaction is handed over as single changes': [
      'Session.receive',
      'this.#sink.entries($, isAtomic)',
      'this.#sink.entries($)',
    ],
  }),
  ...faultsIn('src/transports/memory/store.ts', {
    'the store takes a batch twice': [
      'StoredCollection.write',
      'if (repeated !== undefined) return { outcomes: repeated, news: undefined }',
      '',
    ],
    'half of an atomic batch is applied': [
      'StoredCollection.write',
      '(isAtomic ? this.#conflicts(batch) : undefined) ?? this.#takeAll(batch, changed)',
      'this.#takeAll(batch, changed)',
    ],
    'a condition is checked in the replica only': [
      'StoredCollection.#takeAll',
      'this.#conflict(write) ?? this.#take(write, changed)',
      'this.#take(write, changed)',
    ],
    'the store reverses a batch': [
      'StoredCollection.write',
      'this.#takeAll(batch, changed)',
      'this.#takeAll({ ...batch, writes: [...batch.writes].reverse() }, changed).reverse()',
    ],
    'the store restores over something newer': [
      'StoredCollection.#isNewer',
      "age < 0 || (age === 0 && known.content.kind === 'lost')",
      'true',
    ],
    'the store restores over a clear': [
      'StoredCollection.#isNewer',
      'if (this.#cleared > 0 && precedes(entry, this.#revisionAt(this.#cleared))) return false',
      '',
    ],
    'the store restores where it forgot tombstones': [
      'StoredCollection.#isNewer',
      'this.#entries.forgotten <= followed',
      'true',
    ],
    'a delta leaves out deletes': [
      'StoredCollection.read',
      "isDelta ? stored.place > from.n || kind === 'lost' : from !== null || kind !== 'tombstone'",
      "kind !== 'tombstone' && (!isDelta || stored.place > from.n)",
    ],
    'a delta leaves out what was evicted': [
      'StoredCollection.read',
      "stored.place > from.n || kind === 'lost'",
      'stored.place > from.n',
    ],
    'a delta is told though tombstones were forgotten': [
      'StoredCollection.read',
      'from.n >= this.#entries.forgotten',
      'true',
    ],
    'a delta is told of a history that was lost': ['StoredCollection.read', 'contains(this.#history, from)', 'true'],
    'a loss begins no epoch': [
      'StoredCollection.revert',
      'this.#history = [...history, $]',
      'this.#history = history.length > 0 ? history : [...history, $]',
    ],
    'a delete that finds nothing leaves no tombstone': [
      'StoredCollection.#take',
      'known?.content.kind === "tombstone" && this.#isOfThisEpoch(known)',
      'item === undefined',
    ],
    'a ttl is kept that should not be': ['StoredCollection.#take', "write.ttlMs === 'keep' ? $ : $", '$'],
    'a restored item takes another revision': ['StoredCollection.#mergeIn', '({ epoch, n })', 'undefined'],
    'a restored item does not expire': ['StoredCollection.#mergeIn', 'leftMs ?? Infinity', 'Infinity'],
  }),
  ...faultsIn('src/transports/memory/writers.ts', {
    'the store has no fence': ['Writers.repeated', 'throw $', 'return undefined'],
    'a repeated answer gives the whole ttl': ['Writers.repeated', 'now - answer.at', '0'],
  }),
  ...faultsIn('src/transports/memory/entries.ts', {
    'the store keeps the old deadline': ['Entries.put', 'this.#due.remove(before)', ''],
    'the store does not know that it forgot': [
      'Entries.expire',
      'this.forgotten = Math.max(this.forgotten, due.place)',
      '',
    ],
    'the store makes no tombstones of what expired': [
      'Entries.expire',
      'due.content = { kind: "tombstone", cause: "expire" }',
      '',
    ],
  }),
  ...faultsIn('src/transports/memory/epoch-ids.ts', {
    'an epoch does not sort after the one before': [
      'EpochIds.next',
      'previous === undefined ? 0 : timeOf(previous) + 1',
      '0',
    ],
  }),
  ...faultsIn('src/transports/memory/transport.ts', {
    'no audit': ['MemoryTransport.auditLater', 'for (const session of [...this.#sessions]) session.audit()', ''],
    'delayed news keep a closed client alive': [
      'MemoryTransport.close',
      'for (const timer of this.#delayed) this.clock.clearTimeout(timer)',
      '',
    ],
    'the timer of the audit stays': [
      'MemoryTransport.close',
      'if (this.#audit !== undefined) this.clock.clearTimeout(this.#audit)',
      '',
    ],
    'a store that begins no epoch says that it did': ['MemoryTransport.beginEpoch', "became !== 'impossible'", 'true'],
  }),
]
