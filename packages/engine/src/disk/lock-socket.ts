/** The Unix sockets of a directory lock: held by listening, released by the kernel with the process, asked by connecting. */
import { connect, createServer, type Server } from 'node:net'

/** A server on a socket, which lets go whoever connects. */
export async function listen(path: string): Promise<Server | 'taken' | 'impossible'> {
  return await new Promise((resolve) => {
    const server = createServer((peer) => peer.destroy()).unref()
    // Not every file system has sockets, and not every system abstract ones.
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'taken' : 'impossible'),
    )
    // Not through the primary of a cluster: it would give all of its workers the one socket.
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}

export async function closeServer(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve))
}

/** Whether somebody listens at a path; a process that is busy, or stopped, does too. */
export async function probe(path: string): Promise<'listens' | 'unknown' | 'refuses'> {
  return await new Promise((resolve) => {
    const peer = connect({ path }, () => resolve('listens'))
    peer.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve('refuses')
      // So many wait there that no more fit: they do not wait at a dead one.
      else resolve(error.code === 'EAGAIN' ? 'listens' : 'unknown')
    })
    peer.once('connect', () => peer.destroy())
  })
}
