/**
 * Shortage: the bytes that wait, of requests or of replies, have outgrown what all clients may have together. Each is within
 * its own bounds, so the one that has the most goes.
 */
import type { Client } from './client.ts'
import type { ServerState } from './server-state.ts'

/** Closes the client of which the most bytes wait. */
export function closeLargest(server: ServerState, what: 'inputBytes' | 'outputBytes'): void {
  let largest: Client | undefined
  for (const client of server.clients.values())
    if (largest === undefined || client.connection[what] > largest.connection[what]) largest = client
  if (largest === undefined) return
  const bytes = largest.connection[what]
  server.log(
    `Closed ${largest.connection.address}: ${server[what]} bytes wait over all clients, ${bytes} of them its own`,
  )
  largest.connection.close('now')
}
