/** The loop that people write by hand, for `workers.ts`: XREADGROUP COUNT 100, the handler, one XACK. No leases, no retries, no fence. */
import { Redis } from 'ioredis'
import { IN_FLIGHT } from './embedded-side.ts'
import { type Payload, payload, serve } from './workers-side.ts'

const url = process.argv[2]!
const redis = new Redis(url)
const blocking = new Redis(url)

type RawRead = [string, [string, string[]][]][] | null

const add = async (one: Payload): Promise<unknown> => await redis.xadd('s', '*', 'json', JSON.stringify(one))

/** Handles until `isOver`; `concurrency` handlers at once. */
async function loop(handler: (payload: Payload) => Promise<void>, concurrency: number, isOver: () => boolean) {
  while (!isOver()) {
    const found = (await blocking.xreadgroup(
      'GROUP',
      'g',
      'c',
      'COUNT',
      100,
      'BLOCK',
      100,
      'STREAMS',
      's',
      '>',
    )) as RawRead
    const entries = found?.[0]?.[1] ?? []
    for (let i = 0; i < entries.length; i += concurrency) {
      const batch = entries.slice(i, i + concurrency)
      await Promise.all(batch.map(([, fields]) => handler(JSON.parse(fields[1]!) as Payload)))
    }
    if (entries.length > 0) await redis.xack('s', 'g', ...entries.map(([id]) => id))
  }
}

serve({
  reset: async () => {
    await redis.flushall()
    await redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM')
  },
  produce: async (times) => {
    for (let n = 0; n < times;) {
      const commands = redis.pipeline()
      for (let i = Math.min(IN_FLIGHT, times - n); i > 0; i--)
        commands.xadd('s', '*', 'json', JSON.stringify(payload(n++)))
      await commands.exec()
    }
  },
  consume: async (times, concurrency) => {
    let handled = 0
    await loop(
      async () => {
        handled++
      },
      concurrency,
      () => handled >= times,
    )
  },
  work: async (onPayload, concurrency) => {
    let isOver = false
    const ended = loop(
      async (one) => onPayload(one),
      concurrency,
      () => isOver,
    )
    return async () => {
      isOver = true
      await ended
    }
  },
  add,
  close: async () => {
    redis.disconnect()
    blocking.disconnect()
  },
})
