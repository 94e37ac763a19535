/** Has memis's transport to NATS find a package missing, or in another version. What the tests load themselves stays as it is. */
import Module from 'node:module'

type Load = (request: string, parent: { filename?: string } | undefined, ...rest: unknown[]) => unknown
const module = Module as unknown as { _load: Load }

const isOurs = (filename = '') => /\/src\/transports\/nats\/[^/]+$/.test(filename)

/** Without a version, the package is missing. Undone by what is returned. */
export function hidePackage(name: string, version?: string): () => void {
  const load = module._load
  module._load = (request, parent, ...rest) => {
    const isHidden = isOurs(parent?.filename) && (request === name || request === `${name}/package.json`)
    if (isHidden && version === undefined)
      throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' })
    return isHidden && request !== name ? { version } : load(request, parent, ...rest)
  }
  return () => {
    module._load = load
  }
}
