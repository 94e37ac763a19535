// Prints how memis behaves in a worker thread, while the main thread uses it as well.
import { Worker } from 'node:worker_threads'
import { createClient } from 'memis'

const client = createClient('memory:package')
await client.database('package').collection('any').subscribe()
const code = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { behave } = require('./behave.cjs')
  behave(require('memis'), workerData).then((outcome) => parentPort.postMessage(outcome))
`
const worker = new Worker(code, { eval: true, workerData: JSON.parse(process.argv[2]) })
worker.on('message', (outcome) => console.log(JSON.stringify(outcome)))
worker.on('exit', () => client.close())
