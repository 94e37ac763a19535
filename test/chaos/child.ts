/** A process with nothing but a member: answers requests, and ends by itself once the member is closed. */
import { Member, type Spec } from './member'
import { serve } from './process'

let member: Member

const crashed = (error: unknown) => member.fail('crash', `${(error as Error)?.stack ?? error}`)
process.on('uncaughtException', crashed)
process.on('unhandledRejection', crashed)

serve({
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
})
