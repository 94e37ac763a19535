/** Cases that test the core alone, with whole clients on a memory hub: the stage of the api suite, on one store. */

import type { Item } from '../../src/conformance/api/replica'
import { type Scene, scenes } from '../../src/conformance/api/scene'
import assert, { throws } from '../../src/conformance/assert'
import { type Define, register, type TestFunction } from '../../src/conformance/suite'
import type { Collection } from '../../src/core/collection'
import type { ErrorCode } from '../../src/core/errors'
import { memory } from '../transports/memory-store'

/** Gives each case a hub of its own. */
export function onMemory(test: TestFunction): Define<Scene> {
  const define = (title: string, ...rest: unknown[]) =>
    register({ name: 'memory', test, patience: 20_000, ...memory }, scenes, [
      (define) => (define as (...args: unknown[]) => void)(title, ...rest),
    ])
  return define as Define<Scene>
}

/** Every way of reading is refused, by an error that names the collection. */
export function assertUnreadable(items: Collection<Item>, code: ErrorCode, words: RegExp): void {
  const reads = [
    () => items.get('k'),
    () => items.has('k'),
    () => items.size,
    () => items.keys(),
    () => items.values(),
    () => items.entries(),
    () => items[Symbol.iterator](),
    () => items.forEach(() => {}),
  ]
  for (const read of reads) {
    const { message } = throws(read, code)
    assert.match(message, words)
    assert.match(message, /artists/)
  }
}
