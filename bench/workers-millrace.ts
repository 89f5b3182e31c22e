/** Our side of `workers.ts`: with Redis's URL on that server, without one on the embedded engine. The toolkit's defaults. */
import { once } from 'node:events'
import { connect, type Stream, type Worker } from 'millrace'
import { Redis } from 'ioredis'
import { type Payload, payload, serve } from './workers-side.ts'

const url = process.argv[2]
const admin = url === undefined ? undefined : new Redis(url)
if (admin !== undefined && admin.status !== 'ready') await once(admin, 'ready')
let round = 0
let mr = await connect(url)
let stream: Stream<Payload> = mr.stream<Payload>('bench')

/** Resolves when the group has nothing left. */
async function untilDone(): Promise<void> {
  for (;;) {
    const info = await stream.group('g').inspect()
    if (info !== undefined && info.pending === 0 && info.lag === 0) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

function work(handler: (payload: Payload) => void, concurrency: number): Worker<Payload> {
  return stream.group('g').worker(({ value }) => handler(value), { concurrency })
}

serve({
  reset: async () => {
    await mr.close()
    await admin?.flushall()
    mr = await connect(url)
    stream = mr.stream<Payload>(`bench:${++round}`)
  },
  produce: async (times) => {
    await stream.addMany(Array.from({ length: times }, (_, n) => payload(n)))
  },
  consume: async (times, concurrency) => {
    let handled = 0
    const made = await new Promise<Worker<Payload>>((resolve) => {
      const one = work(() => {
        if (++handled === times) queueMicrotask(() => resolve(one))
      }, concurrency)
    })
    await untilDone()
    await made.stop()
  },
  work: async (onPayload, concurrency) => {
    const made = work(onPayload, concurrency)
    return async () => await made.stop()
  },
  add: async (one) => await stream.add(one),
  close: async () => {
    await mr.close()
    admin?.disconnect()
  },
})
