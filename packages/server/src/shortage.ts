/**
 * Shortage: the bytes that wait, of requests or of replies, have outgrown what all clients may have together. Each is within
 * its own bounds, so the one that has the most goes.
 */
import type { Connection } from './client.ts'
import type { ServerState } from './server-state.ts'

/** Closes the connection of which the most bytes wait; one that is ending counts with the replies that it still sends. */
export function closeLargest(server: ServerState, what: 'inputBytes' | 'outputBytes'): void {
  let largest: Connection | undefined
  for (const connection of server.connections)
    if (largest === undefined || connection[what] > largest[what]) largest = connection
  if (largest === undefined) return
  server.log(`Closed ${largest.address}: ${server[what]} bytes wait over all clients, ${largest[what]} of them its own`)
  largest.close('now')
}
