/** A process of many users, each of which says now and then that it is there: see blocked-loop.ts. */
import { createClient } from '../../../src'
import { answer } from '../child'

const [url = '', users = '0'] = process.argv.slice(2)
const client = createClient({ url })
const presence = client.database('test').collection<object>('presence')
let beats = 0

function beat(): void {
  for (let user = 0; user < Number(users); user++) {
    // Items of some size: what waits in a socket then takes many reads.
    presence.set(`user ${user}`, { beats, padding: 'x'.repeat(1000) }, 2)
  }
  beats++
}

answer({
  async begin() {
    setInterval(beat, 100)
    beat()
    await presence.set('ready', {})
  },
})
