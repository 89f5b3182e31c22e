/** node-redis's side of `embedded.ts`. */
import { createClient } from 'redis'
import { expectAll, IN_FLIGHT, oneByOne, PAGE, serve, VALUE, windowed } from './embedded-side.ts'

const redis = createClient({ url: process.argv[2]! })
await redis.connect()

const add = (): Promise<unknown> => redis.xAdd('s', '*', { field: VALUE })

type Read = { messages: { id: string }[] }[]

async function pipeline(times: number): Promise<void> {
  for (let left = times; left > 0; left -= IN_FLIGHT) {
    const commands = redis.multi()
    for (let i = Math.min(left, IN_FLIGHT); i > 0; i--) commands.xAdd('s', '*', { field: VALUE })
    await commands.execAsPipeline()
  }
}

async function acknowledge(found: Read): Promise<void> {
  const ids = found[0]!.messages.map(({ id }) => id)
  expectAll(await redis.xAck('s', 'g', ids))
}

async function cycle(times: number): Promise<void> {
  for (let done = 0; done < times; done += PAGE) {
    await windowed(PAGE, add, PAGE)
    await acknowledge((await redis.xReadGroup('g', 'c', { key: 's', id: '>' }, { COUNT: PAGE })) as Read)
  }
}

async function pipelinedCycle(times: number): Promise<void> {
  for (let done = 0; done < times; done += PAGE) {
    const commands = redis.multi()
    for (let i = 0; i < PAGE; i++) commands.xAdd('s', '*', { field: VALUE })
    commands.xReadGroup('g', 'c', { key: 's', id: '>' }, { COUNT: PAGE })
    const replies: readonly unknown[] = await commands.execAsPipeline()
    await acknowledge(replies.at(-1) as Read)
  }
}

serve({
  ways: {
    awaited: async (times) => await oneByOne(times, add),
    'in flight': async (times) => await windowed(times, add),
    pipeline,
    cycle,
    'pipelined cycle': pipelinedCycle,
  },
  reset: async () => {
    await redis.flushAll()
    await redis.xGroupCreate('kept', 'g', '0', { MKSTREAM: true })
    await redis.xAdd('kept', '*', { field: VALUE })
    await redis.xReadGroup('g', 'c', { key: 'kept', id: '>' })
    await redis.xGroupCreate('s', 'g', '0', { MKSTREAM: true })
  },
  close: async () => redis.destroy(),
})
