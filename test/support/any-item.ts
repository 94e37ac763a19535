/** Random items, as difficult as the contract allows. */
import fc from './fast-check'

const nasty = ['__proto__', 'constructor', 'prototype', 'toString', '', 'length', '0', 'a.b', '{', '🎉', '\0', '\n']

/** The name of a field. */
export const anyField = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...nasty) },
  { weight: 3, arbitrary: fc.string({ maxLength: 6 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 4 }) },
)

const leaf = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -0,
    1e21,
    5e-324,
    Number.MAX_VALUE,
    2 ** 53,
    '',
    '__proto__',
    '\ud800',
    '\u2028',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
)

const { fields } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthSize: 'small' }, leaf, tie('list'), tie('fields')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  fields: fc
    .array(fc.tuple(anyField, tie('value')), { maxLength: 5 })
    .map((entries) => Object.fromEntries(entries) as Record<string, unknown>),
}))

/** An item that `set` accepts. */
export const anyItem = fields as fc.Arbitrary<Record<string, unknown>>

/** A string of any UTF-16 code units, paired or not. */
export const anyUnits = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7ff, max: 0xe000 })), { maxLength: 12 })
  .map((units) => String.fromCharCode(...units))

/** The same contents with the fields of each object in another order. */
export function shuffled(value: unknown, seed: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((inner) => shuffled(inner, seed))
  const entries = Object.entries(value).map(([name, inner]) => [name, shuffled(inner, seed)] as const)
  const turned = seed % 2 === 0 ? entries.reverse() : entries
  const cut = turned.length === 0 ? 0 : seed % turned.length
  return Object.fromEntries([...turned.slice(cut), ...turned.slice(0, cut)])
}
