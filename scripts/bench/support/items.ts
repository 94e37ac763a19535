/** The item of all figures: five fields, about 120 bytes as JSON. */
export interface Item {
  name: string
  plays: number
  genres: string[]
  active: boolean
  about: string
}

export const keyOf = (i: number | '') => `artist-${i}`

/** Another `version` makes another item with the same key. */
export function itemOf(i: number, version = 0): Item {
  return {
    name: `Artist ${i}`,
    plays: i * 7 + version,
    genres: ['rock', 'pop'],
    active: i % 2 === 0,
    about: `${i} has about thirty characters`.padEnd(30, '.').slice(0, 30),
  }
}

export function itemsOf(count: number, version = 0): [string, Item][] {
  return Array.from({ length: count }, (_, i) => [keyOf(i), itemOf(i, version)])
}

/** An item as a hash, a field per property, as one writes it with node-redis by hand. */
export function fieldsOf({ name, plays, genres, active, about }: Item): Record<string, string> {
  return { name, plays: String(plays), genres: JSON.stringify(genres), active: String(active), about }
}

/** The item of a hash. */
export function itemFrom(fields: Record<string, string>): Item {
  const { name = '', plays, genres = '[]', active, about = '' } = fields
  return { name, plays: Number(plays), genres: JSON.parse(genres), active: active === 'true', about }
}
