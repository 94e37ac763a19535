/** A process that has nothing to live for but a member: it answers what it is asked, and ends by itself once all is closed. */
import { Member, type Spec } from './member'

let member: Member

const crashed = (error: unknown) => member.fail('crash', `${(error as Error)?.stack ?? error}`)
process.on('uncaughtException', crashed)
process.on('unhandledRejection', crashed)

const answers: Record<string, (argument: never) => unknown> = {
  start(spec: Spec) {
    member = new Member(spec)
    return member.start()
  },
  status: () => member.status(),
  contents: () => member.contents(),
  report: () => member.report(),
  write: (on: boolean) => member.write(on),
  touch: () => member.touch(),
  resubscribe: () => member.resubscribe(),
  async close() {
    await member.close()
    return { report: member.report(), violations: member.violations }
  },
}

process.on('message', async ({ id, what, argument }: { id: number; what: string; argument: unknown }) => {
  const answer = await Promise.resolve(answers[what]?.(argument as never)).then(
    (value) => ({ id, value }),
    (error: Error) => ({ id, error: error.stack }),
  )
  // Its parent may be gone: then it goes, too.
  process.send?.(answer, () => {})
})
// A parent that was killed says no goodbye; one that disconnects waits for this process to end by itself.
const parent = process.ppid
setInterval(() => process.ppid !== parent && process.exit(1), 1000).unref()
