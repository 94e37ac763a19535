// Prints how memis behaves. Also the entry of the bundles.
import * as memis from 'memis'
import { behave } from './behave.cjs'

console.log(JSON.stringify(await behave(memis, JSON.parse(process.argv[2]))))
