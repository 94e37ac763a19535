/** Types that several parts of the public interface share. */

/** A duration in seconds, fractions allowed: every `ttl`, and `expiresIn`. */
export type Seconds = number

/** A duration in milliseconds: every option, and the ages in `freshness`. */
export type Milliseconds = number

type Primitive = string | number | boolean | bigint | symbol | null | undefined

/** What can be read of an item: the same type, read-only at every depth. `any` and `unknown` stay as they are. */
export type DeepReadonly<T> = unknown extends T
  ? T
  : T extends Primitive
    ? T
    : T extends readonly (infer E)[]
      ? E[] extends T
        ? readonly DeepReadonly<E>[] // in this form TypeScript follows recursive types only as far as they are read
        : DeepReadonlyFields<T> // a tuple
      : DeepReadonlyFields<T>

type DeepReadonlyFields<T> = { readonly [Field in keyof T]: DeepReadonly<T[Field]> }

/** An item with its key, the revision of this version, and how long it has left. */
export interface ItemEntry<T> {
  readonly key: string
  readonly item: DeepReadonly<T>
  /** The name of this version of the item, the same in every replica. */
  readonly revision: string
  /** How long the item has left; null if it does not expire. */
  readonly expiresIn: Seconds | null
}
