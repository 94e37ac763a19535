// Prints how memis behaves. Also the entry of the bundles.
const memis = require('memis')
const { behave } = require('./behave.cjs')

behave(memis, JSON.parse(process.argv[2])).then((outcome) => console.log(JSON.stringify(outcome)))
