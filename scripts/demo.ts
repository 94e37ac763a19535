/**
 * `npm run demo`: real records travel between the replicas of several servers. See `demo/arguments.ts` for what it
 * takes, `demo/story.ts` for what happens.
 */
import { constants } from 'node:os'
import { parseArguments, usage } from './demo/arguments'
import { Complaint } from './demo/complaint'
import { Cues } from './demo/cues'
import { Plain } from './demo/plain'
import { readRecords } from './demo/records'
import { fits, Screen } from './demo/screen'
import { Stage } from './demo/stage'
import { fast, Story, slow, stepCount } from './demo/story'
import { count } from './demo/text'
import { Theatre } from './demo/theatre'

const names = ['A', 'B', 'C', 'D']

async function main(): Promise<void> {
  const args = parseArguments(process.argv.slice(2))
  if (args.help) return console.log(usage)
  const records = await readRecords(args.file)
  const theatre = new Theatre(args.url, records.title)
  const stop = stopper()
  const { stdout } = process
  const isTerminal = stdout.isTTY && process.env.TERM !== 'dumb'
  if (isTerminal && !fits(stdout))
    console.log('A terminal of 80 x 24 or more shows a picture instead of these lines.\n')
  const view = isTerminal && fits(stdout) ? new Screen(stdout) : new Plain()
  const pace = view instanceof Screen && !args.fast ? slow : fast
  let closing = ''
  const failures: unknown[] = []
  try {
    await theatre.reach(stop.signal)
    const title = `${count(records.items.size, 'record')} of ${records.title}${theatre.isRemote ? ', a process each' : ''}`
    const stage = new Stage(view, title, theatre.store, records.items.size, stepCount, names)
    theatre.setUp(stage, (error) => stop.abort(error))
    closing = await new Story(stage, records, theatre, new Cues(stage, stop.signal), pace).tell()
  } catch (error) {
    failures.push(error)
  }
  stop.abort() // what still waits has nothing to wait for
  view.close()
  await theatre.leave().catch((error) => failures.push(error))
  if (failures.length > 0) fail(failures)
  else console.log(`\n${closing}`)
}

/** Aborted by Ctrl-C and the like; at the second, the process ends without tidying up. */
function stopper(): AbortController {
  const stop = new AbortController()
  let first = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const exitCode = 128 + constants.signals[signal]
    process.on(signal, () => {
      const now = performance.now()
      // npm passes a signal on that the terminal has sent to us as well: two at once are one.
      if (first > 0 && now - first > 500) process.exit(exitCode)
      first ||= now
      stop.abort(new Complaint('Interrupted.', exitCode))
    })
  }
  // Who reads us has gone, `head` say: nothing that we tell is heard any more.
  process.stdout.on('error', () => stop.abort(new Complaint('', 1)))
  return stop
}

/** By these, memis refuses what is in the file. */
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
