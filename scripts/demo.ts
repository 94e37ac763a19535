/** `npm run demo`. See `demo/arguments.ts` for its arguments, and `demo/story.ts` for what it shows. */
import { constants } from 'node:os'
import { parseArguments, usage } from './demo/arguments'
import { Complaint } from './demo/complaint'
import { Cues } from './demo/cues'
import { Plain } from './demo/plain'
import { readRecords } from './demo/records'
import { fits, Screen } from './demo/screen'
import { Stage } from './demo/stage'
import { readStoreUrl } from './demo/store-url'
import { fast, Story, slow, stepCount } from './demo/story'
import { count } from './demo/text'

async function main(): Promise<void> {
  const args = parseArguments(process.argv.slice(2))
  if (args.help) return console.log(usage)
  const store = readStoreUrl(args.url)
  const records = await readRecords(args.file)
  const stop = stopper()
  const { stdout } = process
  const isTerminal = stdout.isTTY && process.env.TERM !== 'dumb'
  if (isTerminal && !fits(stdout)) console.log('In a terminal of 80 x 24 or more, the demo draws a picture.\n')
  const view = isTerminal && fits(stdout) ? new Screen(stdout) : new Plain()
  const pace = view instanceof Screen && !args.fast ? slow : fast
  const title = `${count(records.items.size, 'record')} of ${records.title}`
  // Something is on the screen before memis and the packages of the stores are loaded.
  const stage = new Stage(view, title, store?.name ?? 'in the memory of this process', records.items.size, stepCount)
  const failures: unknown[] = []
  let closing = ''
  let leave = async () => {}
  try {
    const { makeTheatre } = await import('./demo/theatre.js')
    const theatre = makeTheatre(store, records.title, stage, (error) => stop.abort(error))
    leave = () => theatre.leave()
    await theatre.reach(stop.signal)
    closing = await new Story(stage, records, theatre, new Cues(stage, stop.signal), pace).tell()
  } catch (error) {
    failures.push(error)
  }
  stop.abort() // nothing has to wait any longer
  view.close()
  await leave().catch((error) => failures.push(error))
  if (failures.length > 0) fail(failures)
  else console.log(`\n${closing}`)
}

/** Aborted by Ctrl-C and the like. The second time, the process ends without tidying up. */
function stopper(): AbortController {
  const stop = new AbortController()
  let first = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const exitCode = 128 + constants.signals[signal]
    process.on(signal, () => {
      const now = performance.now()
      // npm passes on a signal that the terminal has sent to this process, too: two at once are one.
      if (first > 0 && now - first > 500) process.exit(exitCode)
      first ||= now
      stop.abort(new Complaint('Interrupted.', exitCode))
    })
  }
  // Nobody reads the output any more, as with `head`.
  process.stdout.on('error', () => stop.abort(new Complaint('', 1)))
  return stop
}

/** With these codes, memis refuses the contents of the user's file. */
const faultsOfFile = ['INVALID_NAME', 'INVALID_ITEM', 'ITEM_TOO_LARGE']

function fail(failures: unknown[]): void {
  const [first] = failures as { code?: string }[]
  if (first instanceof Complaint) process.exitCode = first.exitCode
  else process.exitCode = faultsOfFile.includes(first?.code ?? '') ? 2 : 1
  for (const failure of failures) console.error(failure instanceof Error ? failure.message : failure)
}

main().catch((error) => {
  fail([error])
  process.exit()
})
