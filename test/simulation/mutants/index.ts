/** All deliberate faults: each must be caught by the simulation. */
import { ofTheApi } from './api'
import { ofTheMemoryTransport } from './memory'
import type { Mutant } from './mutate'
import { ofThePaths } from './paths'
import { ofTheReplica } from './replica'

export const mutants: readonly Mutant[] = [...ofTheReplica, ...ofThePaths, ...ofTheApi, ...ofTheMemoryTransport]
