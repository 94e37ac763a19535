/** A server in a process of its own: does what the demo asks by messages, and sends the reports of its replica. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, createClient } from '../../src'
import type { Item } from './records'
import { LocalServer, type Place, type Report, type Server } from './server'
import { deleteData } from './store-data'

export type Order =
  | { id: number; order: 'start'; options: ClientOptions; url: string; place: Place }
  | { id: number; order: 'set'; key: string; item: Item; ttl?: number | undefined }
  | { id: number; order: 'delete'; key: string }
  | { id: number; order: 'flood' | 'arrived'; count: number }
  | { id: number; order: 'contents' | 'readRate' | 'end' }

export type Answer =
  | { reports: Report[] }
  | { id: number; value: unknown }
  | { id: number; error: { message: string; code?: string | undefined } }

/** Tidying up for a demo that was killed takes no longer (ms). */
const patience = 3000

let server: Server | undefined
let tidyUp = async () => {}
let reports: Report[] = []

async function obey(order: Order): Promise<unknown> {
  if (order.order === 'start') {
    const { options, url, place } = order
    server = new LocalServer(createClient(options), place, report)
    tidyUp = () => deleteData(url, place)
    return server.start()
  }
  if (server === undefined) throw new Error('not started')
  switch (order.order) {
    case 'set':
      return server.set(order.key, order.item, order.ttl)
    case 'delete':
      return server.delete(order.key)
    case 'flood':
      return server.flood(order.count)
    case 'arrived':
      return server.arrived(order.count)
    case 'contents':
      return server.contents()
    case 'readRate':
      return server.readRate()
    case 'end':
      tidyUp = async () => {}
      return server.end()
  }
}

/** Many events come at once: a message for each would take longer than the replication itself. */
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
    flush() // the events before an answer are sent before it
    send({ id: order.id, value })
    if (order.order === 'end') process.disconnect()
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    send({ id: order.id, error: { message, code } })
  }
})

// Ctrl-C in a terminal reaches all processes. The demo ends its servers after it has tidied up.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

// The demo has ended. If it was killed, its servers tidy up.
process.on('disconnect', async () => {
  await Promise.race([tidyUp().catch(() => {}), sleep(patience)])
  process.exit()
})
