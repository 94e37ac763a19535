/** Faults of what is built on a condition, and of the ways to follow a collection beside its events. */
import { faultsIn, type Mutant } from './mutate'

export const ofTheApi: readonly Mutant[] = [
  ...faultsIn('src/core/conditional.ts', {
    'touch forgets the ttl': ['Conditional.touch', 'this.#change(key, $, ttlMs)', "this.#change(key, $, 'keep')"],
    'touch believes in any item': ['Conditional.touch', 'return item !== undefined', 'return true'],
    'an update writes without a condition': [
      'Conditional.#write',
      "({ kind: 'set', key, item, ttlMs, if: revision })",
      "{ kind: 'set', key, item, ttlMs }",
    ],
    'an update deletes without a condition': [
      'Conditional.#write',
      "({ kind: 'delete', key, if: revision })",
      "{ kind: 'delete', key }",
    ],
    'an update is made of the old item after a conflict': [
      'Conditional.#change',
      'version = versionOf<T>(answer.conflict)',
      'version = { ...versionOf<T>(answer.conflict), item: version.item }',
    ],
    'an update writes although nothing is new': ['Conditional.update', 'next !== item', 'true'],
    'a conflict ends an update': [
      'Conditional.#change',
      "if ('item' in answer) return answer.item",
      'return (answer as { item: never }).item',
    ],
    'a replica decides that there is nothing to write': [
      'Conditional.#change',
      'version.isConfirmed ? version : await this.#confirm(key, version)',
      'version',
    ],
    'an update that throws believes the replica': [
      'decided',
      '({ next: item, isWrite: false, thrown: { error } })',
      '(() => { throw error })()',
    ],
    'an evicted item is something to change': ['versionOf', 'entry === null || entry.isLost', 'entry === null'],
    'a delay outlasts its client': ['delay', 'client.delays.add(end)', ''],
  }),
  ...faultsIn('src/core/replica.ts', {
    'the condition of a write follows the replica': [
      'Replica.describe',
      '({ revision: { epoch, n }, leftMs: $ })',
      '{ revision: known.revision, leftMs: $ }',
    ],
  }),
  ...faultsIn('src/core/collection.ts', {
    'a transaction is split': [
      'Collection.transaction',
      "if (writes.length > 0) await this.#send({ kind: 'transaction', writes })",
      'await this.#sendAll(writes)',
    ],
    'a patch takes the ttl away': ['Collection.patch', "'keep'", 'null'],
    'an increment adds to what it added': [
      'Collection.increment',
      'sumOf(item, field, by)',
      'sumOf(item, field, by) + sum',
    ],
    'replaceAll leaves what is not wanted': [
      'Collection.replaceAll',
      '[...sent.map($$), ...deletes]',
      'sent.map((key) => writes.get(key) as KeyWrite)',
    ],
    'setMany does not wait for its writes': [
      'Collection.setMany',
      'await this.#sendAll(writes)',
      'this.#sendAll(writes).catch(() => {})',
    ],
  }),
  ...faultsIn('src/core/fields.ts', {
    'a patch keeps nothing': ['withFields', 'Object.fromEntries(kept)', '{}'],
  }),
  ...faultsIn('src/core/bulk.ts', {
    'a transaction forgets its checks': [
      'TransactionBuilder.end',
      '[...this.#parts]',
      '[...this.#parts].filter(([, { write }]) => write !== undefined)',
    ],
  }),
  ...faultsIn('src/core/stream.ts', {
    'changes drops a delete': [
      'ChangeStream.push',
      'unread !== undefined && net.previous === undefined && $',
      'unread !== undefined && $',
    ],
    'changes gives what was never there': [
      'ChangeStream.push',
      "if (unread !== undefined && net.previous === undefined && net.kind !== 'set') return",
      '',
    ],
    'changes are not merged': [
      'ChangeStream.push',
      'unread === undefined ? change : { ...change, previous: unread.previous }',
      'change',
    ],
    'changes loses what was not read': [
      'ChangeStream.push',
      "this.#wake({ kind: 'open' })",
      "if (this.#state.kind === 'waiting') this.#wake({ kind: 'open' }); else this.#pending.delete(key)",
    ],
    'whoever waits for a change is not woken': ['ChangeStream.#wake', 'state.wake()', ''],
    'the stream outlasts the subscription': [
      'ChangeStream.end',
      "this.#wake({ kind: 'ended', error })",
      "this.#state = { kind: 'ended', error }",
    ],
    'watch tells the item that is gone': [
      'itemAfter',
      "change.kind === 'set' ? change.item : undefined",
      'change.item',
    ],
    'watch knows no prefixes': ['Watchers.of', 'key.startsWith(prefix)', 'key === prefix'],
  }),
  ...faultsIn('src/core/following.ts', {
    'changes begins with nothing': [
      'Following.changes',
      "stream.push({ kind: 'set', key, item, previous: undefined, revision, cause: 'snapshot' })",
      '',
    ],
    'waitFor does not look at what is there': ['Following.waitFor', 'probe(items.get(key))', ''],
    'waitFor gives what it was not asked for': [
      'Following.waitFor',
      'if (predicate(item)) settle(item)',
      'settle(item)',
    ],
    'reached is not asked again': ['Following.reached', 'this.#checks.add(check)', ''],
    'reached says so at once': ['Following.reached', 'compare(wanted, replica.cursor) <= 0', 'true'],
    'watchers are told after unsubscribe': ['Following.tell', 'isSubscribed()', 'true'],
  }),
  ...faultsIn('src/core/outcomes.ts', {
    'a conflict counts as accepted': ['settle', "has(outcome, 'conflict')", 'false'],
  }),
]
