/** What can be read of an item is read-only at every depth. Nothing here runs. */
import type { DeepReadonly } from '../../src/index'
import { same } from './same'

type Json = string | number | boolean | null | Json[] | { [field: string]: Json }

same<DeepReadonly<string>, string>()
same<DeepReadonly<null>, null>()
same<DeepReadonly<'a' | 1 | undefined>, 'a' | 1 | undefined>()
same<DeepReadonly<string[]>, readonly string[]>()
same<DeepReadonly<[string, { a: number }?]>, readonly [string, { readonly a: number }?]>()
same<DeepReadonly<readonly string[][]>, readonly (readonly string[])[]>()
same<
  DeepReadonly<{ a: { b: number[] }; c?: string }>,
  { readonly a: { readonly b: readonly number[] }; readonly c?: string }
>()
same<
  DeepReadonly<{ kind: 'a'; a: number[] } | { kind: 'b' }>,
  { readonly kind: 'a'; readonly a: readonly number[] } | { readonly kind: 'b' }
>()
same<DeepReadonly<Record<string, number[]>>, { readonly [key: string]: readonly number[] }>()

// Types that say nothing stay as they are.
// biome-ignore lint/suspicious/noExplicitAny: the point
same<DeepReadonly<any>, any>()
same<DeepReadonly<unknown>, unknown>()
same<DeepReadonly<{ a: unknown }>, { readonly a: unknown }>()
same<DeepReadonly<never>, never>()

// A branded string is a string.
type Id = string & { readonly brand: 'id' }
same<DeepReadonly<{ id: Id }>, { readonly id: Id }>()

// Recursive types are followed as far as they are read.
declare const json: DeepReadonly<{ data: Json }>
if (Array.isArray(json.data)) {
  // @ts-expect-error it is read-only
  json.data = []
}
interface Tree {
  name: string
  children: Tree[]
}
declare const tree: DeepReadonly<Tree>
tree.children[0]?.children[0]?.name satisfies string | undefined
// @ts-expect-error it is read-only
tree.children[0]?.children.push(tree)
// @ts-expect-error it is read-only
delete tree.name

// An item that can be changed can be given where one is only read.
const mutable: Tree = { name: 'a', children: [] }
const read: DeepReadonly<Tree> = mutable
// @ts-expect-error the other way round its arrays could be changed
const changed: Tree = tree

// Reading twice is reading once.
same<DeepReadonly<DeepReadonly<Tree>>, DeepReadonly<Tree>>()

export { changed, read }
