/** Finds the fields of an item in its JSON text. No I/O. */

const quote = 34
const comma = 44
const backslash = 92
const [openArray, closeArray, openObject, closeObject] = [91, 93, 123, 125]

/** The names of an item's fields. Most items of a collection have the same, and so they travel once. */
export interface Form {
  readonly names: readonly string[]
  /** The length of each name in bytes, as it stands in the text before the value: with its quotes and a colon. */
  readonly bytes: readonly number[]
  /** The same in UTF-16. */
  readonly units: readonly number[]
}

export function formOf(item: object): Form {
  const names = Object.keys(item)
  const texts = names.map((name) => `${JSON.stringify(name)}:`)
  return { names, bytes: texts.map((text) => Buffer.byteLength(text)), units: texts.map(({ length }) => length) }
}

function hasForm(item: object, { names }: Form): boolean {
  let i = 0
  // Faster than Object.keys, which makes a list; a copy made by memis inherits nothing that is enumerable.
  for (const name in item) if (names[i++] !== name) return false
  return i === names.length
}

/** So many forms are compared: one that is sent twice does no harm, and a thousand that differ are not compared with each other. */
const mostCompared = 8

/** The index of the item's form, which is added where it is new. */
export function indexOfForm(item: object, forms: Form[]): number {
  const first = Math.max(0, forms.length - mostCompared)
  for (let i = forms.length - 1; i >= first; i--) if (hasForm(item, forms[i] as Form)) return i
  return forms.push(formOf(item)) - 1
}

/**
 * Adds the length in bytes of each field's value. `json` is an object of that form, as JSON.stringify gave it, of `bytes` bytes. So
 * the server cuts the values out of the text that it tells the replicas anyway: nothing is encoded or sent twice.
 */
export function addLengths(json: string, bytes: number, { units }: Form, lengths: number[]): void {
  const isAscii = bytes === json.length
  let at = 1
  for (const unit of units) {
    const start = at + unit
    const end = endOfValue(json, start)
    lengths.push(isAscii ? end - start : Buffer.byteLength(json.slice(start, end)))
    at = end + 1
  }
}

/** The JSON text of each field's value. */
export function valuesOf(json: string, { units }: Form): string[] {
  let at = 1
  return units.map((unit) => {
    const start = at + unit
    const end = endOfValue(json, start)
    at = end + 1
    return json.slice(start, end)
  })
}

/** Behind the string that begins here. */
function endOfString(json: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = json.indexOf('"', at)
    let escapes = 0
    while (json.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at + 1
  }
}

/** Behind the value that begins here, which stands in an object. */
function endOfValue(json: string, start: number): number {
  let depth = 0
  for (let at = start; ; ) {
    const sign = json.charCodeAt(at)
    if (sign === quote) at = endOfString(json, at)
    else {
      if (sign === openArray || sign === openObject) depth++
      else if (sign === closeArray || sign === closeObject) depth--
      else if (sign !== comma) {
        at++
        continue
      }
      if (depth < 0 || (sign === comma && depth === 0)) return at
      at++
    }
  }
}
