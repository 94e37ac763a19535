import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { encodeItem } from '../../src/core/codec'
import { addLengths, formOf, hasForm } from '../../src/transports/redis/fields'
import { anyItem } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('fields')

/** What the script cuts out of an item's text. */
function cut(item: object): [string, string][] {
  const { item: copy, json, bytes } = encodeItem('k', item, Infinity)
  const form = formOf(copy)
  assert.ok(hasForm(copy, form))
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
  const form = formOf({ a: 1, b: 2 })
  assert.deepEqual(
    [{ a: 'x', b: null }, { b: 2, a: 1 }, { a: 1 }, { a: 1, b: 2, c: 3 }, {}].map((item) => hasForm(item, form)),
    [true, false, false, false, false],
  )
})

test.run()
