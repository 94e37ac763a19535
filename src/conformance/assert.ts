/** What the cases assert with. Every message shows what was seen. */
import strict from 'node:assert/strict'
import { inspect, isDeepStrictEqual } from 'node:util'
import { type ErrorCode, MemisError } from '../core/errors'

/**
 * `node:assert`, with a message even if none is given. Without one it parses the source to quote what failed: for seconds
 * if that was transpiled to long lines, and `eventually` has things fail again and again.
 */
const ok = (value: unknown, message: string | Error = 'what was asserted does not hold') => strict(value, message)

const assert: typeof strict = Object.assign(ok, { ...strict, ok }) as typeof strict

export default assert

export const show = (value: unknown): string =>
  inspect(value, { depth: 5, maxArrayLength: 10, maxStringLength: 200, breakLength: 100 })

/** Deep equality as of `assert.deepEqual`, whose report on large values takes seconds. */
export function same(actual: unknown, expected: unknown, what = ''): void {
  if (isDeepStrictEqual(actual, expected)) return
  const message = `${what && `${what}: `}expected: ${show(expected)}; seen: ${show(actual)}`
  throw new assert.AssertionError({ message, actual, expected, stackStartFn: same })
}

/** Says what must be so, and what was seen instead. */
export function must(holds: unknown, what: string, seen?: unknown): asserts holds {
  if (holds) return
  throw new assert.AssertionError({ message: `${what}; seen: ${show(seen)}`, stackStartFn: must })
}

/** Asserts that the promise rejects with a MemisError, of that code if one is given. Resolves to the error. */
export async function refused(promise: Promise<unknown>, code?: ErrorCode): Promise<MemisError> {
  const error = await promise.then(
    (value) => assert.fail(`resolved to ${show(value)}, though it must be refused${code ? ` with ${code}` : ''}`),
    (error: unknown) => error,
  )
  return checkError(error, code)
}

/** Asserts that the call throws a MemisError of that code, and returns the error. */
export function throws(call: () => unknown, code: ErrorCode): MemisError {
  try {
    call()
  } catch (error) {
    return checkError(error, code)
  }
  return assert.fail(`returned instead of throwing ${code}`)
}

function checkError(error: unknown, code: ErrorCode | undefined): MemisError {
  if (error instanceof assert.AssertionError) throw error
  must(error instanceof MemisError, 'an error must be a MemisError', error)
  if (code !== undefined) assert.equal(error.code, code, `${error.code} instead of ${code}: ${error.message}`)
  return error
}
