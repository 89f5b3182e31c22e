/**
 * Writes the directories that are kept for ever, one way of each format (fixtures/README.md):
 *
 *   node --import tsx packages/engine/src/disk/testing/write-fixtures.ts packages/engine/fixtures/format-1
 *
 *   clean/      closed in order: a snapshot, segments behind it        clean.txt      its state, in words
 *   crashed/    the power failed in the middle of a write              crashed.txt
 */
import { nodeEnv } from '../../env.ts'
import { RandomHistory } from '../../random-history.ts'
import { Seeded } from '../../seeded.ts'
import { closeQuietly, readBytes, writeAll } from '../files.ts'
import { segmentName } from '../journal-file.ts'
import { stateText } from '../state-text.ts'
import { Store, type StoreOptions } from '../store.ts'

const STEPS = 400
const CUT_BYTES = 10
const { fs } = nodeEnv

/** Some commands, each group of them safe. */
async function use(store: Store, history: RandomHistory, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    history.step()
    if (i % 3 === 0) await store.whenSafe()
  }
  await store.whenSafe()
}

async function used(directory: string, seed: number, options: Partial<StoreOptions>): Promise<[Store, RandomHistory]> {
  const store = await Store.open(directory, { env: nodeEnv, segmentBytes: 8192, reserveBytes: 0, ...options })
  const history = new RandomHistory(store.databases, new Seeded(seed))
  await use(store, history, STEPS)
  await store.snapshot()
  await use(store, history, STEPS)
  return [store, history]
}

async function writeClean(root: string): Promise<void> {
  const [store] = await used(`${root}/clean`, 1, { fillBytes: 300 })
  const text = stateText(store.databases)
  await store.close()
  writeFile(`${root}/clean.txt`, Buffer.from(`${text}\n`))
}

/** Without a sync nothing vouches for the last group, half of which is not there. */
async function writeCrashed(root: string): Promise<void> {
  const [store, history] = await used(`${root}/live`, 2, { fsync: 'no', fillBytes: 0, segmentBytes: 1 << 20 })
  const text = stateText(store.databases)
  const seq = store.commit()
  while (store.commit() === seq) history.step()
  const last = segmentName(store.journal.manifest.segments.at(-1)!.number)
  fs.makeDirectory(`${root}/crashed`)
  for (const name of fs.list(`${root}/live`).filter((one) => !one.startsWith('lock'))) {
    const bytes = readFile(`${root}/live/${name}`)
    writeFile(`${root}/crashed/${name}`, name === last ? bytes.subarray(0, -CUT_BYTES) : bytes)
  }
  await store.close()
  for (const name of fs.list(`${root}/live`)) fs.remove(`${root}/live/${name}`)
  writeFile(`${root}/crashed.txt`, Buffer.from(`${text}\n`))
}

function readFile(path: string): Uint8Array {
  const file = fs.open(path, 'read')
  try {
    return readBytes(file, 0, file.size())
  } finally {
    closeQuietly(file)
  }
}

function writeFile(path: string, bytes: Uint8Array): void {
  const file = fs.open(path, 'create')
  try {
    writeAll(file, bytes, 0)
  } finally {
    closeQuietly(file)
  }
}

const root = process.argv[2]
if (root === undefined) throw new Error('The directory to write is missing')
await writeClean(root)
await writeCrashed(root)
process.stdout.write(`${fs.list(root).join(', ')}\n`)
