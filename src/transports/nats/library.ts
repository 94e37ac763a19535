/** The package `nats`, an optional peer: loaded when it is needed first, and not before. */

export type Nats = typeof import('nats')

let loaded: Nats | undefined

/** Undefined where the package is not installed. */
export function loadNats(): Nats | undefined {
  try {
    loaded ??= require('nats')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'MODULE_NOT_FOUND' || !message.includes("'nats'")) throw error
  }
  return loaded
}
