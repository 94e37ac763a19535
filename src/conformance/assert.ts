/**
 * `node:assert`, with a message of its own where none is given. Without one, it parses the source to quote what failed:
 * for seconds, or for ever, where that was transpiled to long lines, and `eventually` has things fail again and again.
 */
import strict from 'node:assert/strict'

const ok = (value: unknown, message: string | Error = 'what was asserted does not hold') => strict(value, message)

const assert: typeof strict = Object.assign(ok, { ...strict, ok }) as typeof strict

export default assert
