/** How a collection is shown by `console.log` and `JSON.stringify`. */
import { readable } from './text'

/** The items by key. `__proto__` is a key like any other. */
export const toPlainObject = <I>(items: Iterable<readonly [string, I]>): Record<string, I> => Object.fromEntries(items)

/** One line, whatever the collection holds. */
export const inspectCollection = (database: string, name: string, state: string, size: number): string =>
  `Collection ${readable(database)}/${readable(name)} (${state}, ${size} ${size === 1 ? 'item' : 'items'})`
