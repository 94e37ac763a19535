import { Complaint } from './complaint'

export interface Arguments {
  /** A store. Without one, everything happens in this process. */
  url: string | undefined
  /** A file with the user's own records. */
  file: string | undefined
  fast: boolean
  help: boolean
}

export const usage = `Usage: npm run demo -- [store URL] [file.json] [--fast]

  store URL   for example redis://127.0.0.1:6379 or nats://127.0.0.1:4222: each server of the demo is
              a process of its own. The store is not harmed: the demo cuts links in proxies of its
              own, and deletes only its own data. Without a URL: everything in this process, and
              nothing to install.
  file.json   an array of objects, or an object of objects. Default: the 250 countries of the
              package world-countries.
  --fast      no pauses for reading`

/** @throws Complaint with exit code 2 */
export function parseArguments(given: readonly string[]): Arguments {
  const args: Arguments = { url: undefined, file: undefined, fast: false, help: false }
  for (const arg of given) {
    if (arg === '--fast') args.fast = true
    else if (arg === '--help' || arg === '-h') args.help = true
    else if (arg.startsWith('-')) throw wrong(`There is no option ${arg}.`)
    else if (isUrl(arg)) {
      if (args.url !== undefined) throw wrong('Give one store URL.')
      args.url = arg
    } else {
      if (args.file !== undefined) throw wrong('Give one file.')
      args.file = arg
    }
  }
  return args
}

/** Two letters or more before the colon: one letter is a drive of Windows. */
const isUrl = (arg: string) => /^([a-z][a-z+]+:\/\/|memory:)/i.test(arg)

const wrong = (message: string) => new Complaint(`${message}\n\n${usage}`, 2)
