/** The server of bench/wire.ts and its kin: a process of its own, which tells its port and then only serves. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Server } from '@millrace/server'

const server = await Server.start({ port: 0, bind: ['127.0.0.1'] })
process.send?.({ port: server.port })
const delays = monitorEventLoopDelay({ resolution: 1 })
delays.enable()
process.on('message', (message) => {
  if (message === 'memory') void tellMemory()
  else if (message === 'stall') tellStall()
  else void end()
})
// An end of the parent without a word ends this one too.
process.once('disconnect', () => process.exit(0))

function tellStall(): void {
  process.send?.({ stallMs: delays.max / 1e6 })
  delays.reset()
}

/** What is in use after garbage collection: several rounds, since byte arrays are let go one round after what held them. */
async function tellMemory(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    await delay(50)
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ bytes: rss, counted: heapUsed + external })
}

async function end(): Promise<void> {
  await server.close()
  process.exit(0)
}
