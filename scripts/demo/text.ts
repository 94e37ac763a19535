/** Text for a terminal: its width, cutting and colours. */

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

/** Parts make up a line: plain text, or text in a style. */
export type Part = string | readonly [Style, string]

const codes: Record<Style, number> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31, cyan: 36 }

const segmenter = new Intl.Segmenter()
const wide =
  /\p{Emoji_Presentation}|\p{RI}|\uFE0F|[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60]/u

/** The columns of one character, as people see characters. */
const widthOf = (character: string): number => (wide.test(character) ? 2 : /^[\p{M}\p{Cf}]+$/u.test(character) ? 0 : 1)

/** As much of the text as fits into so many columns, and the columns that it takes. */
function cut(text: string, width: number): { text: string; width: number } {
  let used = 0
  let end = 0
  let ellipsisAt = 0
  let usedThere = 0
  for (const { segment, index } of segmenter.segment(text)) {
    const next = used + widthOf(segment)
    if (next > width) return { text: `${text.slice(0, ellipsisAt)}…`, width: usedThere + 1 }
    used = next
    end = index + segment.length
    if (used < width) {
      ellipsisAt = end
      usedThere = used
    }
  }
  return { text, width: used }
}

/** Makes a line exactly so many columns wide: cuts it with an ellipsis, or fills it. */
export function fit(width: number, parts: readonly Part[]): Part[] {
  const fitted: Part[] = []
  let left = width
  for (const part of parts) {
    if (left === 0) break
    const [style, text] = typeof part === 'string' ? [null, part] : part
    const shown = cut(printable(text), left)
    fitted.push(style === null ? shown.text : [style, shown.text])
    left -= shown.width
  }
  return [...fitted, ' '.repeat(left)]
}

export function render(parts: readonly Part[], color: boolean): string {
  const paint = (part: Part) => {
    if (typeof part === 'string') return part
    const [style, text] = part
    return color ? `\x1b[${codes[style]}m${text}\x1b[0m` : text
  }
  return parts.map(paint).join('')
}

/** Keys and values may hold anything, but no control character may reach the terminal. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu, '·')

/** Breaks the text at spaces into lines of at most so many characters. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let current = ''
  for (const word of text.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current)
      current = word
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current]
}

/** `1 item`, `1,000 items` */
export const count = (n: number, noun: string): string => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`
