/**
 * Our server in a process of its own, for the differential suite: it can crash, hang or grow without taking the suite along.
 *
 *   node --expose-gc --conditions=@millrace/source --import tsx differential-server.ts   ──►   ready on 127.0.0.1:PORT
 *
 * With MILLRACE_DIRECTORY, a directory that is there, it keeps its data in a new one within, so that the suite also asks whether
 * they are told the same way when replies wait for the disk.
 *
 * A line on standard input is answered with the bytes that are in use after a collection. Ends with its parent.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Server } from './server.ts'

const within = process.env['MILLRACE_DIRECTORY']
const kept = within === undefined ? {} : { directory: mkdtempSync(join(within, 'differential-')) }
const server = await Server.start({ port: 0, ...kept })
console.log(`ready on 127.0.0.1:${server.port}`)
createInterface({ input: process.stdin })
  .on('line', () => {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    console.log(`bytes ${heapUsed + arrayBuffers}`)
  })
  .once('close', () => process.exit(0))
