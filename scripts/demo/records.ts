/** Reads the records from a JSON file: the user's, or that of the package world-countries. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { Complaint } from './complaint'

export type Item = Record<string, unknown>

export interface Records {
  title: string
  items: Map<string, Item>
}

/** Fields that serve as the key of an array's objects, if every object has the field and no two have the same value. */
const keyFields = ['cca3', 'id', 'key', 'name']

/** @throws Complaint with exit code 2 */
export async function readRecords(file: string | undefined): Promise<Records> {
  const path = file ?? require.resolve('world-countries/countries.json')
  const title = file === undefined ? 'world-countries' : basename(path)
  const text = await readFile(path, 'utf8').catch((error) => {
    throw new Complaint(`${path} cannot be read: ${error.message}`, 2)
  })
  let json: unknown
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new Complaint(`${path} holds no JSON: ${(error as Error).message}`, 2)
  }
  const items = recordsOf(json)
  if (typeof items === 'string') {
    throw new Complaint(`${path} must hold an array of objects or an object of objects; ${items}.`, 2)
  }
  return { title, items }
}

/** The records by key; or a text that says why there are none. */
function recordsOf(json: unknown): Map<string, Item> | string {
  if (typeof json !== 'object' || json === null) return `it holds ${nameOf(json)}`
  const entries = Object.entries(json)
  if (entries.length === 0) return 'it is empty'
  for (const [name, value] of entries) {
    if (!isObject(value)) return `${Array.isArray(json) ? `its element ${name}` : `"${name}"`} is ${nameOf(value)}`
  }
  if (!Array.isArray(json)) return new Map(entries)
  for (const field of keyFields) {
    const keys = json.map((item) => item[field])
    const fit = keys.every((key) => (typeof key === 'string' && isName(key)) || typeof key === 'number')
    const items = new Map(json.map((item) => [String(item[field]), item]))
    if (fit && items.size === json.length) return items
  }
  return new Map(json.map((item, index) => [String(index), item]))
}

const isObject = (value: unknown): value is Item => typeof value === 'object' && value !== null && !Array.isArray(value)
const isName = (key: string) => key !== '' && Buffer.byteLength(key) <= 256

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

/** A record's name for people, if it has one. */
export function labelOf(item: Item): string {
  const name = isObject(item.name) ? item.name.common : item.name
  for (const label of [name, item.title, item.label]) if (typeof label === 'string') return label
  return ''
}
