/** Which slot of a cluster a key lies in, and which node each slot is on. No I/O. */

const slotCount = 16384

/** CRC16 in the form of XMODEM, by byte. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc & 0xffff
})

export function slotOf(key: string): number {
  const from = key.indexOf('{')
  const to = from === -1 ? -1 : key.indexOf('}', from + 1)
  const hashed = Buffer.from(to > from + 1 ? key.slice(from + 1, to) : key)
  let crc = 0
  for (const byte of hashed) crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] as number)
  return crc % slotCount
}

/** The host of `host:port`. */
export const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':'))

/** The address that a node names; a host that it leaves out is its own. */
function addressOf(host: unknown, port: number, asked: string): string {
  const isKnown = typeof host === 'string' && host !== '' && host !== '?'
  return `${isKnown ? host : hostOf(asked)}:${port}`
}

/** The owner of each slot, from the reply to CLUSTER SLOTS; undefined if that is malformed. `asked`: the address of the node that gave it. */
export function readSlots(reply: unknown, asked: string): Map<number, string> | undefined {
  if (!Array.isArray(reply)) return undefined
  const owners = new Map<number, string>()
  for (const range of reply) {
    const [from, to, master] = Array.isArray(range) ? range : []
    const [host, port] = Array.isArray(master) ? master : []
    if (!(from >= 0 && to >= from && to < slotCount && port > 0 && port < 65536)) return undefined
    for (let slot = from; slot <= to; slot++) owners.set(slot, addressOf(host, port, asked))
  }
  return owners
}

/** The address in an error `MOVED <slot> <address>`; undefined if it is another error. */
export function readMoved(message: string, asked: string): string | undefined {
  const [, host, port] = /\bMOVED \d+ (\S*):(\d+)/.exec(message) ?? []
  return port === undefined ? undefined : addressOf(host, Number(port), asked)
}
