/**
 * What comes from outside, mutated at random (H1): no decoder throws, no prototype changes, and what comes next is still
 * decoded right. A decoder joins with one `Target`; numbers and texts are made by a generator of our own, since it is a
 * million of each.
 */
import assert from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import { Random } from '../simulation/random'

export interface Target {
  readonly name: string
  /** Something that was valid before it was mutated. */
  make(random: Random): unknown
  /** Decodes it; fails where what comes of it is not what a decoder may give. */
  decode(input: unknown): void
  /** Fails unless what is valid is still decoded right. */
  good(): void
}

/** How often the valid one comes in between. */
const every = 500

/** Fails with the seed, and the input, that did harm. */
export function fuzz(target: Target, count: number, seed: number): void {
  const random = new Random(seed)
  const prototypes = new Map([Object, Array, String, Map, Function].map((each) => [each.prototype as object, '']))
  for (const prototype of prototypes.keys()) prototypes.set(prototype, show(prototype))
  target.good()
  for (let i = 1; i <= count; i++) {
    const input = target.make(random)
    const wrong = (error: unknown) => {
      const text = inspect(input, { depth: 8, maxStringLength: 2000, breakLength: Infinity })
      return new Error(`seed ${seed}, input ${i}: ${(error as Error).stack}\n${text}`)
    }
    try {
      target.decode(input)
      if (i % every > 0 && i < count) continue
      target.good()
      for (const [prototype, before] of prototypes) assert.strictEqual(show(prototype), before)
    } catch (error) {
      throw wrong(error)
    }
  }
}

const show = (prototype: object) =>
  Reflect.ownKeys(prototype)
    .map((name) => `${String(name)} ${typeof Object.getOwnPropertyDescriptor(prototype, name)?.value}`)
    .join()

const tokens = [
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'length',
    '"',
    '\\',
    '\n',
    '\0',
    ' ',
    ',',
    ':',
    '.',
    '=',
    '%',
  ],
  ...['[', ']', '{', '}', '[[', '{"__proto__":{"polluted":1}}', 'null', 'true', '-', '0', '-1', '1e999', '1e-400', '9'],
  ...['9007199254740991', '9007199254740993', '99999999999999999999', '0x10', 'NaN', 'Infinity', 'memis1 ', 'memis2 '],
  ...['\ud800', '\udc00', '\u2028', '🎉', 'x'.repeat(300), '['.repeat(2000), ']'.repeat(2000), '{"a":'.repeat(1500)],
]

/** The text with a few changes made to it; now and then none. */
export function mutate(random: Random, text: string): string {
  let result = text
  for (let i = random.int(5); i > 0; i--) {
    const at = random.int(result.length + 1)
    const end = at + random.int(random.chance(0.7) ? 4 : 40)
    const rest = result.slice(at)
    result = random.weighted<() => string>([
      [4, () => result.slice(0, at) + random.pick(tokens) + rest],
      [3, () => result.slice(0, at) + random.pick(tokens) + result.slice(end)],
      [3, () => result.slice(0, at) + result.slice(end)],
      [
        2,
        () => result.slice(0, at) + String.fromCharCode(random.int(random.chance(0.8) ? 128 : 65536)) + rest.slice(1),
      ],
      [1, () => result.slice(0, at)],
      [1, () => result.slice(0, end) + rest],
      [1, () => rest + result.slice(0, at)],
    ])()
  }
  return result
}

const scalars = [
  ...[null, true, false, 0, -0, 1, -1, 1.5, 1e21, -1e21, 2 ** 31, 2 ** 53, 2 ** 53 - 1, 5e-324, Number.MAX_VALUE],
  ...['', 'a', 'set', 'delete', 'expire', 'lost', 'begin', '__proto__', 'constructor', '\ud800', 'x'.repeat(257)],
]
const fields = [
  'a',
  'b',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'length',
  '',
  '0',
  '\ud800',
  'then',
]

/** Whatever JSON.parse may give. */
export function junk(random: Random, depth = 0): unknown {
  if (depth > 3 || random.chance(0.5)) return random.chance(0.98) ? random.pick(scalars) : deep(random)
  const list = Array.from({ length: random.int(4) }, () => junk(random, depth + 1))
  if (random.chance(0.4)) return list
  const object = {}
  // As JSON.parse does it: `__proto__` is a field like any other.
  for (const value of list) {
    const descriptor = { value, enumerable: true, configurable: true, writable: true }
    Object.defineProperty(object, random.pick(fields), descriptor)
  }
  return object
}

/** Nested so deep that who walks it must not do so without end. */
export function deep(random: Random, levels = random.int(random.chance(0.2) ? 1500 : 5)): unknown {
  let value: unknown = 1
  for (let i = levels; i > 0; i--) value = i % 2 ? { value } : [value]
  return value
}

/** What JSON.parse gives; undefined if it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether it is as an item of a replica must be: a plain object, frozen to its depths. */
export function assertItem(item: unknown): void {
  assert.ok(typeof item === 'object' && item !== null && !Array.isArray(item), 'an item that is no object')
  assert.ok(Object.getPrototypeOf(item) === Object.prototype, 'an item of another prototype')
  const walk = [item as object]
  for (let value = walk.pop(); value !== undefined; value = walk.pop()) {
    assert.ok(Object.isFrozen(value), 'an item that is not frozen')
    for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) walk.push(inner)
  }
}

export function assertSame(actual: unknown, expected: unknown): void {
  // Cheaper than assert.deepStrictEqual, which is for the report alone.
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected)
}
