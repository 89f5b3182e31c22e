/** Millrace's durable side of `durable.ts`: connect() with a directory, each add resolved when it is on stable storage. */
import { connect } from 'millrace'
import { IN_FLIGHT, oneByOne, serve, VALUE, windowed } from './embedded-side.ts'

const millrace = await connect(process.argv[2]!, { fsync: 'always' })
const { backend } = millrace

const add = (): Promise<unknown> => backend.add('s', ['field', VALUE])

async function addMany(times: number): Promise<void> {
  for (let left = times; left > 0; left -= IN_FLIGHT) {
    const entries = Array.from({ length: Math.min(left, IN_FLIGHT) }, () => ['field', VALUE])
    await backend.addMany('s', entries)
  }
}

await backend.createGroup('kept', 'g')
await backend.add('kept', ['field', VALUE])
await backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['kept', '>']]))
serve({
  ways: {
    awaited: async (times) => await oneByOne(times, add),
    'in flight': async (times) => await windowed(times, add),
    batched: addMany,
  },
  reset: async () => {
    await backend.expire('s', 0)
    await backend.createGroup('s', 'g')
  },
  close: async () => await millrace.close(),
})
