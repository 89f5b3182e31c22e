/** Millrace's durable side of `durable.ts`: a store in a directory, each add resolved when it is on stable storage. */
import { append, appendMany, createGroup, formatId, ID_ZERO, IdList, nodeEnv, removeKey, Store } from '@millrace/engine'
import { IN_FLIGHT, oneByOne, serve, VALUE, windowed } from './embedded-side.ts'

const store = await Store.open(process.argv[2]!, { env: nodeEnv, fsync: 'always' })
const database = store.databases.at(0)

async function add(): Promise<string> {
  const id = append(database, { key: 's', fields: ['field', VALUE] }, Date.now())
  await store.whenSafe()
  return formatId(id!)
}

async function addMany(times: number): Promise<void> {
  const ids = new IdList()
  for (let left = times; left > 0; left -= IN_FLIGHT) {
    ids.clear()
    const entries = Array.from({ length: Math.min(left, IN_FLIGHT) }, () => ['field', VALUE])
    appendMany(database, { key: 's', entries }, Date.now(), ids)
    await store.whenSafe()
  }
}

serve({
  ways: {
    awaited: async (times) => await oneByOne(times, add),
    'in flight': async (times) => await windowed(times, add),
    batched: addMany,
  },
  reset: async () => {
    removeKey(database, 's', Date.now())
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, Date.now())
    await store.whenSafe()
  },
  close: async () => await store.close(),
})
