import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { encodeItem } from '../../src/core/codec'
import { addLengths } from '../../src/transports/redis/fields'
import { anyItem } from '../support/any-item'
import fc from '../support/fast-check'

const test = suite('fields')

/** What the script cuts out of an item's text. */
function cut(item: object): [string, string][] {
  const { json, bytes } = encodeItem('k', item, Infinity)
  const lengths: number[] = []
  addLengths(json, bytes, lengths)
  const text = Buffer.from(json)
  const fields: [string, string][] = []
  for (let i = 0, at = 1; i < lengths.length; i += 2) {
    const [name, value] = [lengths[i] as number, lengths[i + 1] as number]
    fields.push([text.toString('utf8', at, at + name + 2), text.toString('utf8', at + name + 3, at + name + 3 + value)])
    at += name + value + 4
  }
  return fields
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

test.run()
