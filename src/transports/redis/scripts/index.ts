/** The scripts that run inside the server. LAYOUT.md describes what they read and write. */
export { clearScript } from './clear'
export { keepScript } from './keep'
export { mergeScript } from './merge'
export { auditScript, readScript, scrubScript } from './read'
export type { Script } from './script'
export { setScript } from './set'
export { deleteScript, writeScript } from './write'
