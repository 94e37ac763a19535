type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false

/** Compiles if the two are the same type, and not only assignable. */
export const same = <A, B>(..._: Equal<A, B> extends true ? [] : ['these types differ']): void => {}
