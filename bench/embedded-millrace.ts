/** Millrace's side of `embedded.ts`: connect() without a URL, and the engine called directly. */
import { append, appendMany, Database, IdList } from '@millrace/engine'
import { connect } from 'millrace'
import { expectAll, IN_FLIGHT, oneByOne, PAGE, serve, VALUE, windowed } from './embedded-side.ts'

const millrace = await connect()
const { backend } = millrace
let database = new Database()
const kept = new Database()

const add = (): Promise<unknown> => backend.add('s', ['field', VALUE])

/** Entries as a producer has them: a list for each. */
function entries(count: number): string[][] {
  const made: string[][] = []
  for (let i = 0; i < count; i++) made.push(['field', VALUE])
  return made
}

async function addMany(times: number): Promise<void> {
  for (let left = times; left > 0; left -= IN_FLIGHT) await backend.addMany('s', entries(Math.min(left, IN_FLIGHT)))
}

async function appendEach(times: number): Promise<void> {
  const fields = ['field', VALUE]
  for (let i = 0; i < times; i++) append(database, { key: 's', fields }, Date.now())
}

async function appendBatches(times: number): Promise<void> {
  const ids = new IdList()
  for (let left = times; left > 0; left -= IN_FLIGHT) {
    ids.clear()
    appendMany(database, { key: 's', entries: entries(Math.min(left, IN_FLIGHT)) }, Date.now(), ids)
  }
}

async function cycle(times: number, addPage: () => Promise<unknown>): Promise<void> {
  const positions = new Map([['s', '>' as const]])
  for (let done = 0; done < times; done += PAGE) {
    await addPage()
    const found = await backend.readGroup({ group: 'g', consumer: 'c' }, positions, { count: PAGE })
    const ids = found.get('s')!.map(({ id }) => id)
    expectAll((await backend.settle('s', 'g', 'c', ids)).length)
  }
}

await backend.createGroup('kept', 'g')
await backend.add('kept', ['field', VALUE])
await backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['kept', '>']]))
append(kept, { key: 'kept', fields: ['field', VALUE] }, Date.now())
serve({
  ways: {
    awaited: async (times) => await oneByOne(times, add),
    'in flight': async (times) => await windowed(times, add),
    batched: addMany,
    append: appendEach,
    appendMany: appendBatches,
    cycle: async (times) => await cycle(times, async () => await windowed(PAGE, add, PAGE)),
    'batched cycle': async (times) => await cycle(times, () => backend.addMany('s', entries(PAGE))),
  },
  reset: async () => {
    database = new Database()
    await backend.expire('s', 0)
    await backend.createGroup('s', 'g')
  },
  close: async () => await millrace.close(),
})
// Used to the end, so that it is there to the end.
process.once('exit', () => append(kept, { key: 'kept', fields: ['field', VALUE] }, Date.now()))
