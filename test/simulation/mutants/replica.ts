/** Faults of what decides over the contents of a replica. */
import { faultsIn, type Mutant } from './mutate'

export const ofTheReplica: readonly Mutant[] = [
  ...faultsIn('src/core/replica.ts', {
    'an acknowledgement from a former epoch is ignored': ['Replica.#apply', 'isLost && !restores', 'isLost'],
    'a late answer counts': ['Replica.#isNews', 'if (relation !== undefined && relation >= 0) return false', ''],
    'an own write that is gone since comes back': [
      'Replica.#isNews',
      'return !wasTold || this.lost.has(key)',
      'return true',
    ],
    'an own write that was evicted before its answer came is forgotten': [
      'Replica.#isNews',
      '!wasTold || this.lost.has(key)',
      '!wasTold',
    ],
    'what the snapshot did not tell stays': ['Replica.live', 'this.#dropUntold($$)', ''],
    'what the snapshot did not tell is dropped, however new': [
      'Replica.#dropUntold',
      'precedes(cursor, known.place)',
      'false',
    ],
    'what is lost is dropped after a snapshot': ['Replica.#dropUntold', 'this.#knowledge.restores', 'false'],
    'a clear drops what is newer': ['Replica.#clear', '(this.#contents.compare(key, cleared) ?? 1) > 0', 'false'],
    'a clear that the store lost is not restored': ['Replica.#clear', 'if (isLost) this.lost.add(key) else $', '$'],
    'a delta is enough for what was dropped as evicted': ['Replica.begin', 'isOther && hadForgotten', 'false'],
    'another history is no loss': ['Replica.begin', 'if (isOther) this.#knowledge.findLost(former)', ''],
    'an own write is told after its promise': ['Replica.written', 'this.#emit()', 'setImmediate(() => this.#emit())'],
    'a transaction is told in parts': ['Replica.entries', 'if (!isAtomic) this.#emit()', 'this.#emit()'],
    'an unsubscribed replica goes on': ['Replica.discard', "this.#phase = { kind: 'discarded' }", ''],
    'a set is told after the listener of its expire unsubscribed': [
      'Replica.entries',
      "if (phase.kind === 'discarded') return",
      '',
    ],
    'what is overdue is replaced without an expire': ['Replica.#expireOverdue', 'version === undefined', 'true'],
    'an expiry out of touch is told as live': ['Replica.outOfTouch', "this.#phase = { kind: 'stale' }", ''],
  }),
  ...faultsIn('src/core/knowledge.ts', {
    'what the first contents lack may not be in an older copy': [
      'Knowledge.#receiveMissing',
      'this.hasForgotten = true',
      '',
    ],
    'a late echo counts': ['Knowledge.receive', 'relation < 0 || $', 'true'],
    'what is older than an own clear is newer than a tombstone': [
      'Knowledge.receive',
      'relation < 0 && this.#isCleared(entry)',
      'false',
    ],
    'a lost tombstone is not restored': ['Knowledge.findLost', 'contents.keys()', 'contents.items.keys()'],
    'a lost item is not restored': ['Knowledge.findLost', 'lost.add(key)', ''],
    'an older version that somebody restored is believed': [
      'Knowledge.receive',
      'if (this.restores) this.lost.add(key) else this.accept(entry, cause)',
      'this.accept(entry, cause)',
    ],
    'the answer to a merge undoes what came meanwhile': ['Knowledge.merged', '!this.lost.has(key) || $', 'false'],
    'what was gone when the store lost its end comes back': [
      'Knowledge.#receiveUnknown',
      'lostEnd !== null && (entry.place ?? entry).n <= lostEnd.common',
      'false',
    ],
    'what an own clear deleted comes back': ['Knowledge.#isCleared', 'this.cleared !== null', 'false'],
    'an evicted item is not restored': ['Knowledge.#receiveMissing', 'if (!isNewer) this.lost.add(key)', ''],
    'where losses are accepted, a lost delete counts': [
      'Knowledge.forgetLostTombstones',
      'this.contents.tombstones.delete(key)',
      '',
    ],
  }),
  ...faultsIn('src/core/contents.ts', {
    'equal contents are told': ['Contents.put', 'if (!isSame) this.changes.push($)', 'this.changes.push($)'],
    'equal contents give another object': [
      'Contents.put',
      'if (!isSame) this.items.set(key, item)',
      'this.items.set(key, item)',
    ],
    'the event comes before the change': [
      'Contents.drop',
      'this.items.delete(key)',
      'Promise.resolve().then(() => this.items.delete(key))',
    ],
    'previous is the item itself': [
      'Contents.put',
      'this.changes.push($)',
      'this.changes.push({ ...$, previous: item })',
    ],
    'a ttl outlives a set without one': ['Contents.put', 'if (timed !== undefined) this.#expiry.remove(timed)', ''],
    'a ttl outlives its item': ['Contents.drop', 'if (timed !== undefined) this.#expiry.remove(timed)', ''],
    'no tombstone is kept': ['Contents.drop', 'this.tombstones.set($$)', ''],
  }),
  ...faultsIn('src/core/versions.ts', {
    'epochs are ignored in the comparison of versions': [
      'Versions.compare',
      'return this.#epoch < revision.epoch ? -1 : 1',
      'return held - revision.n',
    ],
    'versions take the epoch that goes on': [
      'Versions.begin',
      'this.#held.set(key, new Version(this.#epoch, held))',
      '',
    ],
    'a lost tombstone is forgotten': ['Tombstones.forget', 'if (isLost(key)) this.#byAge.push(next) else $', '$'],
    'tombstones are forgotten at once': ['Tombstones.forget', 'if (isYoung || $) break', ''],
  }),
  ...faultsIn('src/core/timeline.ts', {
    'another history looks the same': [
      'Timeline.begin',
      '!isSameHistory(history, former) || this.#newestEpoch > this.epoch',
      'false',
    ],
    'a late answer begins the epoch that was lost': ['Timeline.isAhead', 'epoch !== this.#lostEpoch', 'true'],
    'the end of a history is not missed': ['Timeline.begin', '!contains(history, cursor)', 'false'],
  }),
  ...faultsIn('src/core/history.ts', {
    'epochs are ignored in the comparison': [
      'compare',
      'return one.epoch < other.epoch ? -1 : 1',
      'return one.n - other.n',
    ],
    'an epoch never ended': ['contains', 'n <= end', 'true'],
    'two histories share all of an epoch': ['lastCommon', 'Math.min($$)', 'upTo'],
    'all places are of the epoch that goes on': ['epochAt', 'n > floor', 'true'],
  }),
  ...faultsIn('src/core/lost.ts', {
    'nothing is ever restored': [
      'Lost.resolve',
      'this.#keys.size > 0 && this.#keys.delete(key) && isRestored',
      'false',
    ],
    'more is restored than was lost': ['Lost.add', 'this.#lost++', ''],
  }),
]
