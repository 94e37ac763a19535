import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { encodeItem } from '../../src/core/codec'
import { addLengths, type Form, formOf, indexOfForm } from '../../src/transports/redis/fields'
import { anyItem } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('fields')

/** What the script cuts out of an item's text. */
function cut(item: object): [string, string][] {
  const { item: copy, json, bytes } = encodeItem('k', item, Infinity)
  const form = formOf(copy)
  const lengths: number[] = []
  addLengths(json, bytes, form, lengths)
  const text = Buffer.from(json)
  let at = 1
  return form.names.map((name, i) => {
    const [before, length] = [form.bytes[i] as number, lengths[i] as number]
    const value = text.toString('utf8', at + before, at + before + length)
    at += before + length + 1
    return [JSON.stringify(name), value]
  })
}

const expected = (item: object) =>
  Object.entries(encodeItem('k', item, Infinity).item).map(([name, value]) => [
    JSON.stringify(name),
    JSON.stringify(value),
  ])

test('the lengths of the fields cut any item into its names and values', () => {
  fc.assert(fc.property(anyItem, (item) => assert.deepEqual(cut(item), expected(item))))
})

test('quotes, backslashes, braces and other scripts within names and values', () => {
  for (const item of [
    {},
    { '': '' },
    { a: '\\', 'b"': '"', '\\': '\\"', 'c\\"': ',' },
    { a: '}', b: ['{', ']', { 'x}': '[,"' }], c: [[], {}, [[1, -2.5e-7]]] },
    { é: 'ü', '😀': ['😀', { ß: '漢字' }], '\0\n': '\u2028' },
    { t: true, f: false, n: null, i: 12, e: 1e21 },
  ]) {
    assert.deepEqual(cut(item), expected(item))
  }
})

test('a form is that of items with the same names in the same order', () => {
  const forms: Form[] = []
  const items = [
    { a: 1, b: 2 },
    { a: 'x', b: null },
    { b: 2, a: 1 },
    { a: 1 },
    { a: 1, b: 2, c: 3 },
    {},
    { a: 3 },
    { a: 4, b: 5 },
  ]
  assert.deepEqual(
    items.map((item) => indexOfForm(item, forms)),
    [0, 0, 1, 2, 3, 4, 2, 0],
  )
  for (let i = 0; i < 100; i++) indexOfForm({ [i]: 0 }, forms)
  assert.equal(indexOfForm({ a: 1, b: 2 }, forms), 105, 'too far back to be looked for')
})

test.run()
