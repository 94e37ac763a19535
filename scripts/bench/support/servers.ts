/** Servers for a figure, which are stopped whatever happens in it. */
import { type Server, startNats, startRedis } from '../../../test/support/servers'

export const withRedis = <R>(run: (server: Server) => Promise<R>) => using(startRedis(), run)

export const withNats = <R>(run: (server: Server) => Promise<R>) => using(startNats(), run)

async function using<R>(starting: Promise<Server>, run: (server: Server) => Promise<R>): Promise<R> {
  const server = await starting
  try {
    return await run(server)
  } finally {
    await server.stop()
  }
}
