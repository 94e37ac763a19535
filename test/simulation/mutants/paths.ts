/** Faults of the ways between a user, a replica and the store. */
import { faultsIn, type Mutant } from './mutate'

export const ofThePaths: readonly Mutant[] = [
  ...faultsIn('src/core/restorer.ts', {
    'a lost entry is not restored': ['Restorer.start', 'this.#mergeAfter(Math.random() * spread)', ''],
    'the answers to a merge are not applied': ['Restorer.#merge', 'this.#apply(entries, answers)', ''],
    'restoring outlasts its session': ['Restorer.stop', "this.#state = { kind: 'stopped' }", ''],
    'a merge that failed is the last': ['Restorer.#failed', 'return this.#mergeAfter(pause)', 'return'],
    'who may not restore waits for ever': ['Restorer.#failed', 'this.#listener.gaveUp()', ''],
  }),
  ...faultsIn('src/core/subscription.ts', {
    'stale is not told': ['Subscription.#stale', 'this.#listener.stale(error)', ''],
    'ready comes at every proof': ['Subscription.#live', 'if (caughtUp) $', '$'],
    'ready does not wait for what is lost': ['Subscription.#progressed', 'this.replica.lost.size === 0', 'true'],
    'a session that failed is the last': ['Subscription.#stale', 'this.#beginAfter($)', ''],
    'a later epoch is not asked for': ['Subscription.#begun', 'later !== null', 'false'],
    'losses are restored, whatever the policy': [
      'Subscription.#restores',
      "this.#settings.dataLoss === 'accept' || this.#acceptsLoss",
      'this.#acceptsLoss',
    ],
    'an epoch that is not possible is asked for again and again': [
      'Subscription.#beginLaterEpoch',
      'if (this.#state === beginning && !isPossible) this.#acceptsLoss = true',
      '',
    ],
  }),
  ...faultsIn('src/core/write-queue.ts', {
    'a batch goes again with a new number, and conflicts with itself': [
      'WriteQueue.#proceed',
      'return this.#send(lane, state.flight)',
      'return this.#send(lane, { ...state.flight, batch: { ...state.flight.batch, sequence: ++this.#sequence } })',
    ],
    'a batch is sent once only': ['WriteQueue.#proceed', 'return this.#send(lane, state.flight)', 'return'],
    'a write in flight is refused for certain': ['WriteQueue.#expire', "isUncertain ? 'unknown' : 'no'", "'no'"],
    'a retry that is refused is refused for certain': [
      'WriteQueue.#fail',
      'refuseAll($, error, flight.isUncertain)',
      'refuseAll($, error, false)',
    ],
    'what waits is sent before the link is up': ['WriteQueue.linkDown', 'this.#isUp = false', ''],
    'two batches are in flight': ['WriteQueue.#proceed', "!this.#isUp || state.kind === 'inFlight'", '!this.#isUp'],
    'a call that is over is not refused': [
      'WriteQueue.#expire',
      'for (const caller of late) caller.refused(refusals[stored])',
      '',
    ],
    'own writes wait for the echo': [
      'WriteQueue.#settle',
      'settle(lane.target, pending, $, $, $)',
      'settle({ ...lane.target, accepted: () => {} }, pending, batch.writes.slice(i, i + 1), outcomes.slice(i, i + 1), isUncertain)',
    ],
    'a batch that was given up is in the way': [
      'WriteQueue.#expire',
      "if (lane.state === state) lane.state = { kind: 'idle' }",
      '',
    ],
  }),
  ...faultsIn('src/core/waiting-writes.ts', {
    'superseded callers are forgotten': ['WaitingWrites.#replaceOne', 'older.callers.push(...pending.callers)', ''],
    'a set replaces the delete that waits': ['WaitingWrites.#replaceOne', "write.kind !== 'set' || !isPlain", 'false'],
    'room for waiting writes is not given back': [
      'WaitingWrites.#taken',
      'for (const { bytes } of pendings) this.#limits.admit(-1, -bytes)',
      '',
    ],
    'writes wait without bound': [
      'PendingLimits.admit',
      'count > 0 && this.#count + count > this.#maxPending',
      'false',
    ],
    'a clear replaces deletes': [
      'WaitingWrites.#replaceAll',
      'this.#queue = this.#queue.filter((each) => !replaced.has(each))',
      'this.#queue = []',
    ],
    'the callers of what a clear replaced are forgotten': [
      'WaitingWrites.#replaceAll',
      'clear.callers = [...replaced].flatMap((each) => each.callers).concat(clear.callers)',
      '',
    ],
    'a clear takes others along': ['WaitingWrites.take', 'if (isAlone) break', ''],
    'the newest write waits in place of an older one after the link is up': [
      'WaitingWrites.linkUp',
      'this.#replaceable = null',
      '',
    ],
  }),
  ...faultsIn('src/core/expiry-timer.ts', {
    'expiry is early': ['ExpiryTimer.put', 'now + leftMs', 'now + leftMs - 3'],
    'the timer of expiry is not set again': ['ExpiryTimer.#run', 'this.#arm(now)', ''],
    'the timer of expiry stays': [
      'ExpiryTimer.stop',
      "if (this.#state.kind === 'armed') this.#clock.clearTimeout(this.#state.timer)",
      '',
    ],
    'the timer waits for the deadline that came first': [
      'ExpiryTimer.#arm',
      "state.kind === 'armed' && state.at <= next",
      "state.kind === 'armed'",
    ],
  }),
]
