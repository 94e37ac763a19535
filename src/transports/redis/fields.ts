/** Where the fields of an item stand in its JSON text. No I/O. */

const quote = 34
const comma = 44
const backslash = 92
const [openArray, closeArray, openObject, closeObject] = [91, 93, 123, 125]

/**
 * Adds the length in bytes of each field's name, as it stands between its quotes, and of its value, in turns. `json` is an
 * object, as JSON.stringify gave it, of `bytes` bytes. So the server cuts the fields out of the text that it tells the
 * replicas anyway: nothing is encoded or sent twice.
 */
export function addLengths(json: string, bytes: number, lengths: number[]): void {
  const length = (from: number, to: number) =>
    bytes === json.length ? to - from : Buffer.byteLength(json.slice(from, to))
  for (let at = 1; at < json.length - 1; ) {
    const nameEnd = endOfString(json, at)
    const valueEnd = endOfValue(json, nameEnd + 1)
    lengths.push(length(at + 1, nameEnd - 1), length(nameEnd + 1, valueEnd))
    at = valueEnd + 1
  }
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
