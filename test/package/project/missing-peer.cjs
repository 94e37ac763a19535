// A transport whose package is not installed says which command installs it.
const assert = require('node:assert/strict')
const { createClient, MemisError } = require('memis')

async function main() {
  for (const options of [[{ transport: 'redis' }], ['redis://127.0.0.1:6379'], [], ['nats://127.0.0.1:4222']]) {
    const client = createClient(...options)
    client.on('error', () => {})
    await assert.rejects(client.connect(), (error) => {
      assert.ok(error instanceof MemisError)
      assert.equal(error.code, 'MISSING_PACKAGE')
      assert.match(error.message, /npm install (redis|nats|@nats-io)/)
      return true
    })
    await client.close()
  }
}

main()
