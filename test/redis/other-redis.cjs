// Once loaded, `redis` means for memis the package (a name or a folder) that MEMIS_REDIS names. The tests keep theirs.
const Module = require('node:module')
const { join, resolve, sep } = require('node:path')

const source = join(resolve(__dirname, '../..'), 'src') + sep
const load = Module._load
Module._load = (request, parent, ...rest) => {
  const isMemis = parent?.filename?.startsWith(source)
  const found = isMemis ? request.replace(/^redis(?=\/|$)/, process.env.MEMIS_REDIS ?? 'redis') : request
  return load.call(Module, found, parent, ...rest)
}
