/**
 * Reads a million entries at once, several times, for bench/growth.ts. A process of its own: counting the lines of a hundred
 * megabytes would keep the one that measures the PINGs from seeing their replies.
 *
 *   growth.ts ──fork (port)──► reads, reads, reads ──► exit
 */
import { encode, RawClient } from './peer.ts'

const entries = 1_000_000
const reads = 3
// The count, and of each entry two headers, its ID and its field's name and value.
const lines = 1 + entries * 8
const reader = await RawClient.open(Number(process.argv[2]))
const request = encode(['XRANGE', 's', '-', '+', 'COUNT', entries])
// Only what is measured from here on is beside a read.
process.send?.('reading')
for (let read = 0; read < reads; read++) await reader.send(request, lines)
reader.close()
process.exit(0)
