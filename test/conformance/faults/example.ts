/** Faults of the example transport: a part of its text, and what stands in its place. */

export interface Edit {
  readonly does: string
  /** The beginning of the titles of the cases that must notice. */
  readonly cases: string
  readonly text: string
  readonly by: string
}

const edit = (does: string, cases: string, text: string, by: string): Edit => ({ does, cases, text, by })

export const edits: readonly Edit[] = [
  edit(
    'accepts a repeated batch again',
    'W4 a batch that is repeated',
    'last?.sequence === sequence',
    'last?.sequence === -1',
  ),
  edit(
    'keeps answers in the process alone',
    'W4 a batch that is repeated',
    'answers: [...state.answers] })',
    'answers: [] })',
  ),
  edit('accepts a lower sequence', 'W4 a batch with a lower', 'last.sequence > sequence', 'last.sequence > Infinity'),
  edit('counts the ttl of a repeated set anew', 'W4 X1', 'leftMs: Math.max(0, leftMs - age)', 'leftMs: undefined'),
  edit(
    'ignores conditions',
    'C2 if: revision',
    'if (condition === undefined) return undefined',
    'if (condition !== null) return undefined',
  ),
  edit(
    'compares the place of a condition alone',
    'C2 if: revision',
    'compare(revision, condition) === 0',
    'revision.n === condition.n',
  ),
  edit(
    'takes a tombstone for an item',
    'C2 if: null',
    'const revision = stored?.json === undefined ? null',
    'const revision = stored === undefined ? null',
  ),
  edit(
    'writes the part of an atomic batch whose conditions hold',
    'C7 nothing of',
    'const conflicts = isAtomic ?',
    'const conflicts = isAtomic === null ?',
  ),
  edit(
    'does not tell that a batch was atomic',
    'C7 an atomic batch is',
    'changed.some(([, { isAtomic }]) => isAtomic)',
    'false',
  ),
  edit(
    "takes ttlMs 'keep' for none",
    "C4 ttlMs 'keep'",
    "write.ttlMs === 'keep' ? leftOf(",
    "write.ttlMs === 'keep' ? null ?? leftOf(undefined && ",
  ),
  edit('writes a tombstone for a check', 'C7 an atomic batch is', "if (write.kind === 'check') return accepted()", ''),
  edit(
    'leaves no tombstone for a delete that finds nothing',
    'K7 a delete that found',
    'if (!existed && before !== undefined && isOfThisEpoch)',
    'if (!existed)',
  ),
  edit(
    'takes a merged tombstone for one of its own',
    'K7 a delete that found',
    'before?.revision === undefined && (',
    '(',
  ),
  edit(
    'forgets a clear when something is merged',
    'K7 W5 a clear wins',
    'const isCleared = state.cleared > 0',
    'const isCleared = state.cleared > Infinity',
  ),
  edit('does not keep the place of a clear', 'K7 W5 a clear wins', 'state.cleared = ++state.head', '++state.head'),
  edit('merges what may have been deleted meanwhile', 'K7 K5 a merge', 'state.forgotten <= followed', 'followed >= 0'),
  edit('merges over what is newer', 'K7 a write of the current', ': precedes(current, entry)', ': true'),
  edit(
    'gives a merged entry a new revision',
    'K7 C1 an entry',
    'put(state, key, { revision, json',
    'put(state, key, { json',
  ),
  edit(
    'gives a merged tombstone a new revision',
    'K7 C1 an entry',
    'put(state, key, { revision, cause',
    'put(state, key, { cause',
  ),
  edit(
    'forgets the time that a merged item has left',
    'K7 C1 an entry',
    'json: JSON.stringify(item), until: leftMs === null ? null : now + leftMs',
    'json: JSON.stringify(item), until: null',
  ),
  edit(
    'tells a merged entry without its place',
    'K7 C1 an entry',
    '...(revision && { place: revisionAt(state, place) })',
    '...{}',
  ),
  edit(
    'tells a snapshot whatever the replica knows',
    'K5 K4',
    'const isDelta = from !== null &&',
    'const isDelta = from !== null && from.n < 0 &&',
  ),
  edit('tells a delta though tombstones were forgotten', 'K5 R2', 'from.n >= forgotten && contains', 'contains'),
  edit('tells a delta from a place of another history', 'K5 a place', '&& contains(history, from)', ''),
  edit(
    'does not note that it forgot a tombstone',
    'K7 K5 a merge',
    'state.forgotten = Math.max(state.forgotten, stored.place)',
    '',
  ),
  edit('keeps tombstones for ever', 'X4 K10', 'if (forgotten > now)', 'if (forgotten > 0)'),
  edit(
    'keeps expired items',
    'X1 X4',
    'if (until === null || until > now) continue',
    'if (until === null || json !== undefined || until > now) continue',
  ),
  edit('says of an item that expired that it was deleted', 'K5 X4', "cause: 'expire'", "cause: 'delete'"),
  edit(
    'keeps tombstones for as long as the client that writes says',
    'K5 tombstones',
    'Math.max(state.retention, this.#host.retention)',
    'this.#host.retention',
  ),
  edit(
    'does not notice that it was rolled back',
    'K7 a store that was rolled',
    '=== seen.epoch && head < seen.n',
    '=== seen.epoch && head < -1',
  ),
  edit(
    'gives an epoch an id that sorts first',
    'K7 a store that was rolled',
    'epochId(Math.max(now, timeOf(currentEpoch(state.history).id) + 1))',
    'epochId(0)',
  ),
  edit(
    'forgets the epochs before a loss',
    'K7 a store that was rolled',
    'state.history = [...state.history, { id, floor: state.head }]',
    'state.history = [{ id, floor: state.head }]',
  ),
  edit(
    'does not begin a later epoch when it is asked to',
    'K7 beginEpoch',
    'state.history = [...state.history.slice(0, -1), { id: epoch, floor }]',
    '',
  ),
  edit('begins an epoch after any id', 'K7 H9', '|| timeOf(after) > now + epochTolerance', ''),
  edit(
    'writes although the client only reads',
    'H11 a transport',
    'if (this.#host.readOnly) throw',
    'if (this.#host.readOnly === undefined) throw',
  ),
  edit('tells items that are larger than the client accepts', 'H8', '<= this.#host.maxItemBytes', '<= Infinity'),
  edit(
    'cannot read on after an item that is damaged',
    'H1',
    '    return undefined\n  }\n}\n\nfunction emptyState',
    "    throw new Error('damaged')\n  }\n}\n\nfunction emptyState",
  ),
  edit(
    'ignores the prefix',
    'N2 N4',
    'const names = [prefix, database, collection]',
    "const names = [prefix && '', database, collection]",
  ),
  edit(
    'joins names by dots',
    'N2 names that look',
    'if (names.every((name) => /^[a-z0-9_-]{1,50}$/.test(name)))',
    'if (names.every((name) => /^[a-z0-9_.-]{1,50}$/.test(name)))',
  ),
  edit(
    'does not prove that a session is current',
    'K2 H6',
    '    this.#checkSessions()\n    if (this.#link',
    '    if (this.#link',
  ),
  edit(
    'does not end sessions when the link breaks',
    'K3 K2',
    'for (const session of [...this.#sessions]) session.end(error)',
    '',
  ),
  edit(
    'does not connect again',
    'K9 outage',
    '    this.clock.clearTimeout(this.#timer)\n    this.#after(backoff',
    '    this.clock.clearTimeout(this.#timer)\n    if (Date.now() < 0) this.#after(backoff',
  ),
  edit(
    'tries to connect without a pause',
    'K9 a transport',
    'backoff(50, this.#failures++), () => this.#connect())\n    }',
    '1, () => this.#connect())\n    }',
  ),
  edit(
    'leaves a timer behind when it is closed',
    'W7 close ends',
    "this.#link = { is: 'closed' }\n    this.clock.clearTimeout(this.#timer)",
    "this.#link = { is: 'closed' }\n    this.clock.clearTimeout(this.#timer)\n    this.#after(60_000, () => {})",
  ),
  edit(
    'leaves its watcher open when it is closed',
    'W7 close ends',
    "if (this.#link.is === 'up') this.#link.watcher.close()\n    this.#link = { is: 'closed' }",
    "this.#link = { is: 'closed' }",
  ),
  edit(
    'tells a watch that is closed',
    'K1 a watch that is closed',
    "  close(): void {\n    this.#state = { is: 'over' }\n  }",
    '  close(): void {}',
  ),
]
