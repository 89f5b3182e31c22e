/** ioredis's side of `embedded.ts`. */
import { Redis } from 'ioredis'
import { expectAll, IN_FLIGHT, oneByOne, PAGE, serve, VALUE, windowed } from './embedded-side.ts'

const url = process.argv[2]!
const redis = new Redis(url)
const automatic = new Redis(url, { enableAutoPipelining: true })

const add = (): Promise<unknown> => redis.xadd('s', '*', 'field', VALUE)
const addAutomatic = (): Promise<unknown> => automatic.xadd('s', '*', 'field', VALUE)

type RawRead = [string, [string, string[]][]][]

async function pipeline(times: number): Promise<void> {
  for (let left = times; left > 0; left -= IN_FLIGHT) {
    const commands = redis.pipeline()
    for (let i = Math.min(left, IN_FLIGHT); i > 0; i--) commands.xadd('s', '*', 'field', VALUE)
    await commands.exec()
  }
}

async function cycle(times: number): Promise<void> {
  for (let done = 0; done < times; done += PAGE) {
    await windowed(PAGE, add, PAGE)
    const found = (await redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', PAGE, 'STREAMS', 's', '>')) as RawRead
    expectAll(await redis.xack('s', 'g', ...found[0]![1].map(([id]) => id)))
  }
}

async function pipelinedCycle(times: number): Promise<void> {
  for (let done = 0; done < times; done += PAGE) {
    const commands = redis.pipeline()
    for (let i = 0; i < PAGE; i++) commands.xadd('s', '*', 'field', VALUE)
    commands.xreadgroup('GROUP', 'g', 'c', 'COUNT', PAGE, 'STREAMS', 's', '>')
    const found = (await commands.exec())!.at(-1)![1] as RawRead
    expectAll(await redis.xack('s', 'g', ...found[0]![1].map(([id]) => id)))
  }
}

serve({
  ways: {
    awaited: async (times) => await oneByOne(times, add),
    'in flight': async (times) => await windowed(times, add),
    autopipelined: async (times) => await windowed(times, addAutomatic),
    pipeline,
    cycle,
    'pipelined cycle': pipelinedCycle,
  },
  reset: async () => {
    await redis.flushall()
    await redis.xgroup('CREATE', 'kept', 'g', '0', 'MKSTREAM')
    await redis.xadd('kept', '*', 'field', VALUE)
    await redis.xreadgroup('GROUP', 'g', 'c', 'STREAMS', 'kept', '>')
    await redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM')
  },
  close: async () => {
    await Promise.all([redis.quit(), automatic.quit()])
  },
})
