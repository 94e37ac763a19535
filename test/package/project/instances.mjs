// ES modules and CommonJS in one process: the same things under the same names, one instance of each class.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import * as esm from 'memis'
import * as esmConformance from 'memis/conformance'

const require = createRequire(import.meta.url)

for (const [loaded, required] of [
  [esm, require('memis')],
  [esmConformance, require('memis/conformance')],
]) {
  const names = Object.keys(loaded)
  assert.ok(names.length > 0)
  assert.deepEqual(names.sort(), Object.keys(required).sort())
  for (const name of names) assert.equal(loaded[name], required[name], name)
}
const { MemisError, MemoryHub } = require('memis')
assert.ok(new MemoryHub() instanceof esm.MemoryHub)
await assert.rejects(
  async () => esm.createClient({ transport: 'memory' }).database('').collection('x').set('k', {}),
  (error) => error instanceof MemisError && typeof error.code === 'string',
)
assert.equal(require('memis/package.json').name, 'memis')
