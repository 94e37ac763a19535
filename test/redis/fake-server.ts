/** A server that speaks just enough of Redis's protocol to say no. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface FakeServer extends AsyncDisposable {
  readonly port: number
  /** How often somebody has connected. */
  readonly connections: number
  /** How many are connected now. */
  readonly open: number
}

/** `reply` gives what is sent back to each command, whose words it is given; undefined for silence. */
export async function startFakeServer(reply: (words: string[]) => string | undefined): Promise<FakeServer> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let pending = ''
    socket.on('data', (chunk) => {
      pending += chunk
      for (;;) {
        const { words, rest } = parse(pending)
        if (words === undefined) return
        pending = rest
        const answer = reply(words)
        if (answer !== undefined && !socket.destroyed) socket.write(answer)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** The first command in the text: `*2\r\n$4\r\nPING\r\n…`. Enough for what is plain ASCII. */
function parse(text: string): { words?: string[]; rest: string } {
  const count = /^\*(\d+)\r\n/.exec(text)
  if (count === null) return { rest: text }
  let at = count[0].length
  const words: string[] = []
  for (let i = 0; i < Number(count[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at))
    if (size === null) return { rest: text }
    at += size[0].length
    const word = text.slice(at, at + Number(size[1]))
    at += word.length + 2
    if (at > text.length) return { rest: text }
    words.push(word)
  }
  return { words, rest: text.slice(at) }
}
