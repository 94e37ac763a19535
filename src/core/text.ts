/**
 * Text from outside, as it may stand in a message or a log: bounded, and without characters that could forge a line, move
 * a terminal's cursor or reverse the direction of writing.
 */
import { inspect } from 'node:util'

/** The longest a name or a value gets in a message. */
const shown = 80

/** Control characters, format characters (bidi marks, zero width, BOM), lone surrogates, separators of lines and paragraphs. */
const harmful = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

export const isHarmful = (text: string): boolean => harmful.test(text)

/** The text in one line of at most `limit` characters: what is harmful is escaped, the rest beyond the limit is left out. */
export const clean = (text: string, limit: number): string =>
  text.length <= limit && !isHarmful(text) ? text : shorten(text, limit, escapeHarmful)

/** A value for a message. Strings are quoted. No code of the value runs. */
export const quote = (value: unknown): string =>
  typeof value === 'string'
    ? `"${shorten(value, shown - 2, escapeQuoted)}"`
    : clean(inspect(value, { depth: 0, breakLength: Infinity, customInspect: false }), shown)

/** A name for a message: bare if it is simple, else quoted. */
export const readable = (name: string): string => (/^[\w.:-]{1,80}$/.test(name) ? name : quote(name))

/** What kind of value it is, for values that may be secrets: only numbers, booleans and the like are shown. */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty string' : 'a string'
    case 'object':
      return value === null ? 'null' : kindOfObject(value)
    case 'function':
    case 'symbol':
    case 'bigint':
      return `a ${typeof value}`
    default:
      return String(value)
  }
}

function kindOfObject(value: object): string {
  try {
    if (Array.isArray(value)) return 'an array'
    const tag = Object.prototype.toString.call(value).slice(8, -1)
    if (tag !== 'Object') return `a ${readable(tag)}`
    const { name } = Object.getPrototypeOf(value).constructor
    return name === 'Object' || typeof name !== 'string' || name === ''
      ? 'an object'
      : `an instance of ${readable(name)}`
  } catch {
    return 'an object' // without a prototype, or a proxy that throws
  }
}

/** Stops at the limit, so that a long text costs no more than a short one. */
function shorten(text: string, limit: number, escaped: (character: string) => string): string {
  let result = ''
  let kept = 0 // with room for the ellipsis
  for (const character of text) {
    result += escaped(character)
    if (result.length > limit) return `${result.slice(0, kept)}…`
    if (result.length < limit) kept = result.length
  }
  return result
}

function escapeHarmful(character: string): string {
  if (!isHarmful(character)) return character
  const json = JSON.stringify(character).slice(1, -1)
  return json === character ? `\\u{${character.codePointAt(0)?.toString(16)}}` : json
}

const escapeQuoted = (character: string): string =>
  character === '"' || character === '\\' ? `\\${character}` : escapeHarmful(character)
