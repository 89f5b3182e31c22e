/**
 * Our server in a process of its own, for the differential suite: it can crash, hang or grow without taking the suite along.
 *
 *   node --expose-gc --conditions=@millrace/source --import tsx differential-server.ts   ──►   ready on 127.0.0.1:PORT
 *
 * A line on standard input is answered with the bytes that are in use after a collection. Ends with its parent.
 */
import { createInterface } from 'node:readline'
import { Server } from './server.ts'

const server = await Server.start({ port: 0 })
console.log(`ready on 127.0.0.1:${server.port}`)
createInterface({ input: process.stdin })
  .on('line', () => {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    console.log(`bytes ${heapUsed + arrayBuffers}`)
  })
  .once('close', () => process.exit(0))
