/** Items on their way out and in: what is refused, how it is encoded, and how it comes back. No I/O. */
import { MemisError, readable } from './errors'

/** An item ready for a store. */
export interface EncodedItem {
  /** The item as it will come back: a deeply frozen copy. */
  readonly item: object
  /** The JSON text of the whole item. */
  readonly json: string
  /** Length of `json` in bytes of UTF-8. */
  readonly bytes: number
}

/** Deeper nesting is refused: it would overflow the stack of whoever walks the item. */
export const maxDepth = 1000

/** Where a walk through an item stands, to name the place of what it refuses. */
interface Walk {
  key: string
  readonly path: (string | number)[]
  readonly ancestors: object[]
}

/** The last walk, for the next one: its arrays were a good part of what an item costs. Null while one is under way. */
let spare: Walk | null = null

/**
 * Checks an item and encodes it. The copy is made in the same walk, each property read once, so that nothing the
 * caller does later, and no getter or proxy, can make the copy and the text differ.
 */
export function encodeItem(key: string, item: unknown, maxBytes: number): EncodedItem {
  const walk = spare ?? { key, path: [], ancestors: [] }
  spare = null
  walk.key = key
  let copy: object
  try {
    if (!isPlainObject(item)) throw invalid(walk, `an item must be a plain object, this is ${describe(item)}`)
    copy = copyObject(item, walk)
  } catch (error) {
    if (error instanceof MemisError) throw error
    throw invalid(walk, 'cannot be read', error) // a getter or a proxy threw
  } finally {
    walk.path.length = 0
    walk.ancestors.length = 0
    spare = walk
  }
  const json = JSON.stringify(copy)
  const bytes = Buffer.byteLength(json)
  if (bytes > maxBytes) {
    throw new MemisError('ITEM_TOO_LARGE', `${readable(key)}: the item has ${bytes} bytes, ${maxBytes} are allowed`)
  }
  return { item: copy, json, bytes }
}

/** What a store gave back, as an item: deeply frozen, or undefined where it is none. */
export function decodeItem(value: unknown): object | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return freeze(value, 1) ? value : undefined
}

/** Whether two items have equal contents, whatever the order of their fields. */
export function equalItems(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let i = 0; i < a.length; i++) if (!equalItems(a[i], b[i])) return false
    return true
  }
  if (Array.isArray(b)) return false
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  for (const name of names) {
    if (!Object.hasOwn(b, name)) return false
    if (!equalItems((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])) return false
  }
  return true
}

/** In one walk, without lists of names or values: they were a good part of what an item costs. */
function freeze(value: object, depth: number): boolean {
  if (depth > maxDepth) return false
  if (Array.isArray(value)) {
    for (const inner of value) if (!freezeInner(inner, depth)) return false
  } else {
    for (const name in value) {
      if (!Object.hasOwn(value, name)) continue
      if (depth === 1 && !name.isWellFormed()) return false
      if (!freezeInner((value as Record<string, unknown>)[name], depth)) return false
    }
  }
  Object.freeze(value)
  return true
}

function freezeInner(inner: unknown, depth: number): boolean {
  // Of 1e999, JSON.parse makes a number that no JSON text can give back.
  if (inner === Infinity || inner === -Infinity) return false
  return typeof inner !== 'object' || inner === null || freeze(inner, depth + 1)
}

function copyObject(source: object, walk: Walk): object {
  enter(source, walk)
  if (Object.getOwnPropertySymbols(source).length > 0) throw invalid(walk, 'has a symbol as a key')
  const copy: Record<string, unknown> = {}
  for (const name of Object.keys(source)) {
    walk.path.push(name)
    const value = (source as Record<string, unknown>)[name]
    const inner = value === undefined ? undefined : copyValue(value, walk)
    // Stores keep the fields of an item by name; further inside, names are JSON's to escape.
    if (inner !== undefined && walk.ancestors.length === 1 && !name.isWellFormed()) {
      throw invalid(walk, 'has a lone surrogate in its name')
    }
    walk.path.pop()
    if (inner === undefined) continue
    // Assigning to `__proto__` would set the prototype.
    if (name === '__proto__') Object.defineProperty(copy, name, { value: inner, enumerable: true })
    else copy[name] = inner
  }
  walk.ancestors.pop()
  return Object.freeze(copy)
}

function copyArray(source: readonly unknown[], walk: Walk): readonly unknown[] {
  enter(source, walk)
  if (Object.keys(source).length !== source.length || Object.getOwnPropertySymbols(source).length > 0) {
    throw invalid(walk, 'is an array with holes or with fields of its own')
  }
  const copy: unknown[] = []
  for (let i = 0; i < source.length; i++) {
    walk.path.push(i)
    copy.push(copyValue(source[i], walk))
    walk.path.pop()
  }
  walk.ancestors.pop()
  return Object.freeze(copy)
}

function copyValue(value: unknown, walk: Walk): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) break
      return value === 0 ? 0 : value // JSON has no -0
    case 'object':
      if (value === null) return null
      if (typeof (value as { toJSON?: unknown }).toJSON === 'function') break
      if (Array.isArray(value)) {
        if (hasBasePrototype(value, 'copyWithin')) return copyArray(value, walk)
      } else if (isPlainObject(value)) return copyObject(value, walk)
  }
  throw invalid(walk, `is ${describe(value)}`)
}

function enter(value: object, walk: Walk): void {
  if (walk.ancestors.includes(value)) throw invalid(walk, 'contains itself')
  if (walk.ancestors.length >= maxDepth) {
    walk.path.length = 3
    throw invalid(walk, `is nested more than ${maxDepth} levels deep`)
  }
  walk.ancestors.push(value)
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return false
  return Object.getPrototypeOf(value) === null || hasBasePrototype(value, 'isPrototypeOf')
}

/**
 * Whether the value's prototype is Object.prototype or Array.prototype itself, of whatever realm (a Jest test runs in
 * one of its own): only the original has this method as its own.
 */
function hasBasePrototype(value: object, method: string): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype !== null && Object.hasOwn(prototype, method)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'an array'
  const name = Object.prototype.toString.call(value).slice(8, -1)
  if (name !== 'Object') return `a ${name}`
  const maker = Object.getPrototypeOf(value)?.constructor
  return typeof maker === 'function' && maker.name !== '' && maker.name !== 'Object'
    ? `an instance of ${maker.name}`
    : 'an object with a prototype or a toJSON of its own'
}

function invalid(walk: Walk, what: string, cause?: unknown): MemisError {
  const path = walk.path.reduce<string>(
    (text, part) => text + (typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${part}`),
    '',
  )
  const message = `${readable(walk.key)}:${path === '' ? '' : ` ${path}`} ${what}`
  return new MemisError('INVALID_ITEM', message, cause === undefined ? {} : { cause })
}
