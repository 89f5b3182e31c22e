/**
 * The server of bench/wire.ts and its kin: a process of its own, which tells its port and then only serves. Plain JavaScript, on
 * what was built: as users run it, without the loader that compiles the sources.
 */
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Server, spaceCollections } from '@millrace/server'

// As `millrace serve`.
spaceCollections()
const server = await Server.start({ port: 0, bind: ['127.0.0.1'] })
process.send?.({ port: server.port })
// A loop that is well comes by every so many milliseconds; how much later it came is how long it stood still.
const beatMs = 2
const longest = { stallMs: 0, waitedMs: 0 }
let last = { ms: performance.now(), waitedMs: waitedMs() }
/** @type {NodeJS.Timeout | undefined} */
let beating
process.on('message', (message) => {
  if (message === 'memory') void tellMemory()
  else if (message === 'stall') tellStall()
  else void end()
})
// An end of the parent without a word ends this one too.
process.once('disconnect', () => process.exit(0))

/** The first time there is nothing to tell: looking costs a twentieth of a processor, and is not done before somebody asks. */
function tellStall() {
  if (beating === undefined) {
    last = { ms: performance.now(), waitedMs: waitedMs() }
    beating = setInterval(beat, beatMs).unref()
  }
  process.send?.({ ...longest })
  longest.stallMs = longest.waitedMs = 0
}

function beat() {
  const now = { ms: performance.now(), waitedMs: waitedMs() }
  const stallMs = now.ms - last.ms - beatMs
  if (stallMs > longest.stallMs) Object.assign(longest, { stallMs, waitedMs: now.waitedMs - last.waitedMs })
  last = now
}

/** How long the main thread has been ready and other processes had the processors, as far as the system tells (Linux). */
function waitedMs() {
  const file = '/proc/thread-self/schedstat'
  return existsSync(file) ? Number(readFileSync(file, 'latin1').split(' ')[1]) / 1e6 : Number.NaN
}

/** What is in use after garbage collection: several rounds, since byte arrays are let go one round after what held them. */
async function tellMemory() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    await delay(50)
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ bytes: rss, counted: heapUsed + external })
}

async function end() {
  await server.close()
  process.exit(0)
}
