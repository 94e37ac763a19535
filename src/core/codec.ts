/** Encodes items for a store and decodes them, and refuses what cannot be an item. No I/O. */
import { MemisError } from './errors'
import { kindOf, readable } from './text'

/** An item ready for a store. */
export interface EncodedItem {
  /** The item as it will come back: a deeply frozen copy. */
  readonly item: object
  /** The JSON text of the whole item. */
  readonly json: string
  /** Length of `json` in bytes of UTF-8. */
  readonly bytes: number
}

/** Deeper nesting is refused: a walk through the item would overflow the stack. */
export const maxDepth = 1000

/** The place that a walk through an item has reached, to name it in an error. */
interface Walk {
  key: string
  readonly path: (string | number)[]
  readonly ancestors: object[]
}

/** The last walk, to be used again: making its arrays took a good part of the time. Null while a walk is under way. */
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
    throw new MemisError('ITEM_TOO_LARGE', `the item has ${bytes} bytes, ${maxBytes} are allowed`, { key })
  }
  return { item: copy, json, bytes }
}

/** Returns what a store gave, deeply frozen; undefined if it is not an item. */
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

/** In one walk, without lists of names or values: making them took a good part of the time. */
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
  // JSON.parse turns 1e999 into a number that no JSON text can give back.
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
    // Stores keep the top-level fields by name. Further inside, JSON escapes names.
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
  const kind = kindOf(value)
  return kind === 'an object' ? 'an object with a prototype or a toJSON of its own' : kind
}

/** The parts of a path that are shown at either end of a long one. */
const shownParts = 4

function invalid({ key, path }: Walk, what: string, cause?: unknown): MemisError {
  const place = textOf(path)
  return new MemisError('INVALID_ITEM', place === '' ? what : `${place} ${what}`, { key, cause })
}

/** `tour.dates[0]` */
function textOf(path: Walk['path']): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${readable(part)}`))
  if (parts.length > 2 * shownParts) parts.splice(shownParts, parts.length - 2 * shownParts, '…')
  return parts.join('').replace(/^\./, '')
}
