// A transport whose package is not installed says which command installs it.
const assert = require('node:assert/strict')
const { createClient, MemisError } = require('memis')

async function main() {
  for (const options of [{ transport: 'redis' }, 'redis://127.0.0.1:6379', undefined]) {
    const client = createClient(options)
    await assert.rejects(client.connect(), (error) => {
      assert.ok(error instanceof MemisError)
      assert.equal(error.code, 'MISSING_PACKAGE')
      assert.match(error.message, /npm install redis/)
      return true
    })
    await client.close()
  }
}

main()
