/** What goes to the script that writes. No I/O. */
import { encodeRevision } from '../../core/epochs'
import type { Batch } from '../../core/transport'
import { addLengths, type Form, indexOfForm } from './fields'

/** The names of a batch's items in Redis, of which the prefix is given, and what the script has to know of them, from its `payload` on. */
export function encodeBatch(prefix: string, { writes }: Batch): { items: string[]; args: string[] } {
  const items: string[] = []
  const { restores } = writes[0] ?? {}
  const texts: string[] = []
  const shapes: number[] = []
  const forms: Form[] = []
  const past: string[] = []
  let bytes = 0
  for (const write of writes) {
    if (write.kind === 'clear') continue // always alone in its batch
    items.push(prefix + write.key)
    let head = `${bytes === 0 ? '[' : ','}[${JSON.stringify(write.key)}`
    let tail = ']'
    if (write.restores !== undefined) {
      const { floor, origin } = write.restores
      past.push(String(floor), origin.epoch, String(origin.n))
      tail = `,${JSON.stringify(encodeRevision(origin))}]`
    }
    if (write.kind === 'delete') {
      shapes.push(-1)
      texts.push(head, tail)
    } else {
      const { item, ttlMs } = write
      head += `,${ttlMs ?? 0},`
      bytes += item.bytes
      const form = indexOfForm(item.item, forms)
      shapes.push(ttlMs ?? 0, bytes - item.bytes + Buffer.byteLength(head) + 1, form + 1)
      addLengths(item.json, item.bytes, forms[form] as Form, shapes)
      texts.push(head, item.json, tail)
    }
    bytes += Buffer.byteLength(head) + Buffer.byteLength(tail)
  }
  // Joined once: adding up would leave a tree of small strings to be collected, which costs more than all else here.
  const payload = `${texts.join('')}${bytes === 0 ? '[]' : ']'}`
  const fields = forms.map((each) => each.names.flatMap((name, i) => [name, each.bytes[i]]))
  const what = [payload, restores ? `=${restores.epoch}` : '', JSON.stringify(shapes), JSON.stringify(fields)]
  return { items, args: [...what, ...past] }
}
