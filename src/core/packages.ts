/** Optional packages: loaded when a transport needs one, and refused in a version that cannot work. */
import { MemisError } from './errors'
import { clean } from './text'

export interface PackageNeed<P> {
  readonly name: string
  /** The major versions that work; the last one is recommended. */
  readonly majors: readonly number[]
  /** `() => require('redis')`: with the name in full, so that bundlers find it. */
  readonly load: () => P
  /** `() => require('redis/package.json').version` */
  readonly version: () => unknown
}

/** @throws MemisError `MISSING_PACKAGE` if the package is not installed, or in another version */
export function loadPackage<P>({ name, majors, load, version }: PackageNeed<P>): P {
  const remedy = `npm install ${name}@${majors.at(-1)}`
  const installed = versionOf(version)
  if (installed !== undefined && !majors.includes(Number.parseInt(installed, 10))) {
    const shown = clean(installed, 40)
    throw missing(`memis needs the package '${name}' in version ${majors.join(' or ')}, this is ${shown}: ${remedy}`)
  }
  try {
    return load()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // A package that is there and lacks one of its own says the same of that one.
    if (code !== 'MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error
    throw missing(`the package '${name}' is not installed: ${remedy}`)
  }
}

/** Undefined if it cannot be told, as in a bundle without package.json: then the version is not checked. */
function versionOf(version: () => unknown): string | undefined {
  try {
    const found = version()
    return typeof found === 'string' && /^\d/.test(found) ? found : undefined
  } catch {
    return undefined
  }
}

const missing = (message: string) => new MemisError('MISSING_PACKAGE', message)
