/**
 * The contract of memis as two suites of cases, for whoever writes a transport: one asks the interface itself, clause by
 * clause, the other one what only a whole client shows. Each case is named after the clauses that it shows.
 */
export { apiConformance } from './api'
export type { ConformanceOptions, HookName, Hooks, Store, TestFunction } from './suite'
export { transportConformance } from './transport'
