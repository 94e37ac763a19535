/** A process that ends by itself once its client is closed: see connection.test.ts. */
import { createClient } from '../../../src'

const [url = '', how = ''] = process.argv.slice(2)

async function main(): Promise<void> {
  const client = createClient({ url, livenessTimeout: 500 })
  const items = client.database('test').collection<object>(`life ${how}`)
  if (how === 'never reached') {
    const told = new Promise((resolve) => client.once('error', resolve))
    items.subscribe().catch(() => {})
    await told
  } else if (how !== 'closed at once') {
    await items.subscribe()
    await items.set('for a while', { a: 1 }, 3600)
    await items.set('for good', { a: 1 })
    // Not awaited: close() sends it.
    items.set('at the end', { a: 1 })
  }
  await client.close()
  console.log('closed')
}

main()
