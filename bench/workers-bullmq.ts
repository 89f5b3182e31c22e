/** BullMQ's side of `workers.ts`: its own recommended settings (docs: "Going to production", "Auto-removal of jobs", "Concurrency"). */
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { windowed } from './embedded-side.ts'
import { type Payload, payload, serve } from './workers-side.ts'

const { hostname: host, port } = new URL(process.argv[2]!)
const admin = new Redis({ host, port: Number(port) })
// Producers fail fast, workers wait: its documentation's words for the two connections.
const queue = new Queue<Payload>('bench', {
  connection: { host, port: Number(port), enableOfflineQueue: false },
  defaultJobOptions: { removeOnComplete: true, removeOnFail: 1000 },
})
queue.on('error', (error) => console.error(error))
await queue.waitUntilReady()

async function worker(handler: (payload: Payload) => void, concurrency: number): Promise<Worker<Payload>> {
  const made = new Worker<Payload>('bench', async ({ data }) => handler(data), {
    connection: { host, port: Number(port), maxRetriesPerRequest: null },
    concurrency,
    autorun: false,
  })
  made.on('error', (error) => console.error(error))
  await made.waitUntilReady()
  return made
}

serve({
  reset: async () => {
    await admin.flushall()
  },
  produce: async (times) => {
    let n = 0
    // In bulk, 100 jobs a call, ten calls on their way: the quickest of its ways.
    const bulk = async (): Promise<void> => {
      const jobs = Array.from({ length: Math.min(100, times - n) }, () => ({ name: 'job', data: payload(n++) }))
      if (jobs.length > 0) await queue.addBulk(jobs)
    }
    await windowed(Math.ceil(times / 100), bulk, 10)
  },
  consume: async (times, concurrency) => {
    const made = await worker(() => undefined, concurrency)
    await new Promise<void>((resolve) => {
      let completed = 0
      made.on('completed', () => {
        if (++completed === times) resolve()
      })
      void made.run()
    })
    await made.close()
  },
  work: async (onPayload, concurrency) => {
    const made = await worker(onPayload, concurrency)
    void made.run()
    return async () => await made.close()
  },
  add: async (one) => await queue.add('job', one),
  close: async () => {
    await queue.close()
    admin.disconnect()
  },
})
