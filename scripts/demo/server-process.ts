/** A server in a process of its own: does what the demo asks by messages, and sends it what its replica tells. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../src'
import { removeLeftovers } from './leftovers'
import type { Item } from './records'
import { LocalServer, type Place, type Report } from './server'

export type Order =
  | { id: number; order: 'start'; url: string; place: Place }
  | { id: number; order: 'set'; key: string; item: Item; ttl?: number }
  | { id: number; order: 'delete'; key: string }
  | { id: number; order: 'contents' | 'end' }

export type Answer =
  | { reports: Report[] }
  | { id: number; value: unknown }
  | { id: number; error: { message: string; code?: string } }

/** Tidying up for a demo that has gone takes no longer (ms). */
const patience = 3000

let server: LocalServer | undefined
let abandoned = async () => {}
let reports: Report[] = []

async function obey(order: Order): Promise<unknown> {
  if (order.order === 'start') {
    const { url, place } = order
    const local = new LocalServer(createClient({ url }), place, report)
    server = local
    abandoned = () => local.clear().then(() => removeLeftovers(url, place))
    return local.start()
  }
  if (server === undefined) throw new Error('not started')
  switch (order.order) {
    case 'set':
      return server.set(order.key, order.item, order.ttl)
    case 'delete':
      return server.delete(order.key)
    case 'contents':
      return server.contents()
    case 'end':
      abandoned = async () => {}
      return server.end()
  }
}

/** Many events come in one go; a message for each would take longer than the replication itself. */
function report(report: Report): void {
  if (reports.push(report) === 1) setImmediate(flush)
}

function flush(): void {
  if (reports.length > 0) send({ reports })
  reports = []
}

function send(answer: Answer): void {
  if (process.connected) process.send?.(answer)
}

process.on('message', async (order: Order) => {
  try {
    const value = await obey(order)
    flush() // an answer is not heard before the events that came before it
    send({ id: order.id, value })
    if (order.order === 'end') process.disconnect()
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    send({ id: order.id, error: { message, code } })
  }
})

// The demo ends its servers: Ctrl-C in a terminal reaches all processes, and it has to tidy up first.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

// It has gone. If it had no time to tidy up, killed as it was, this falls to its servers.
process.on('disconnect', async () => {
  await Promise.race([abandoned().catch(() => {}), sleep(patience)])
  process.exit()
})
