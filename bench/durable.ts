/**
 * Durable on both sides: our server with a directory, and redis-server with its append-only file, on the same file system.
 *
 *   XADD       always, everysec    redis-benchmark ──► millrace serve --dir │ redis-server --appendonly yes │ millrace …
 *   loading    a million entries   spawn ──► the first reply that is not LOADING
 *   snapshot   of a gigabyte       BGSAVE beside 1,000 PINGs and 500 XADDs a second ──► how long who waits
 *   adds       in this process     connect(directory) │ ioredis ──► redis-server with `appendfsync always`
 *
 * The disk is what is measured, so its own time for an fdatasync comes first. Both sides take turns (side-by-side.ts); the
 * directories are new, and removed afterwards. Neither side rewrites its journal by itself, but in the row that is about
 * that: it would come in some runs and not in others.
 *
 * Loading: what was written command by command, as a server leaves it that has not rewritten its journal since: of
 * redis-server a base RDB file without a key (`aof-use-rdb-preamble` is on, as by default) and a million XADDs behind it.
 * The files are in the system's cache. Beside that, without a bar, the same once rewritten. The start of the process is part
 * of the time.
 *
 * How late our event loop is, it tells itself, looked at every millisecond; a PING's time is from the moment at which it was
 * due, and includes what the other processes of the machine take from it.
 *
 *   npm run bench -- durable [--runs 5] [--only load] [--scale 1] [--dir DIR]
 *
 * Does not show: what is lost when a process is killed (slow-disk.ts); other disks; more than one stream.
 */
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { syncTimes } from './disk.ts'
import { addsInProcess } from './durable-adds.ts'
import { BenchDirectory, DurablePeer, type PeerName, type Policy } from './durable-peer.ts'
import { loading } from './durable-load.ts'
import { snapshot } from './durable-snapshot.ts'
import { benchmark, compare, printHeader, type Row } from './side-by-side.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    scale: { type: 'string', default: '1' },
    dir: { type: 'string' },
  },
})
const runs = Number(values.runs)
const scale = Number(values.scale)
const value = 'abcdefghijklmnopqrstuvwxyz01'

const isWanted = ({ name }: { readonly name: string }): boolean =>
  name.toLowerCase().includes(values.only.toLowerCase())

const rowsOf: Readonly<Record<'always' | 'everysec', readonly Row<DurablePeer>[]>> = {
  always: [
    xadd('XADD always, 1 connection', { connections: 1, requests: 10_000, bar: 0.9 }),
    xadd('XADD always, 50 connections', { connections: 50, requests: 150_000, bar: 1 }),
    xadd('XADD always, 50, pipeline 16', { connections: 50, pipeline: 16, requests: 1_000_000, bar: 1 }),
  ],
  everysec: [xadd('XADD everysec, 50, pipeline 16', { connections: 50, pipeline: 16, requests: 1_000_000, bar: 1 })],
}

interface Plan {
  readonly connections: number
  readonly pipeline?: number
  readonly requests: number
  readonly bar: number
}

function xadd(name: string, plan: Plan): Row<DurablePeer> {
  const requests = Math.max(500, Math.round(plan.requests * scale))
  const before = async (peer: DurablePeer): Promise<void> => void (await peer.ask('FLUSHALL'))
  return benchmark(name, { ...plan, requests, command: ['xadd', 's', '*', 'field', value], before })
}

/** How many bars are missed. */
async function xadds(policy: Policy, rows: readonly Row<DurablePeer>[]): Promise<number> {
  if (rows.length === 0) return 0
  let missed = 0
  const directories = [new BenchDirectory(values.dir), new BenchDirectory(values.dir)] as const
  const start = async (name: PeerName, { path }: BenchDirectory): Promise<DurablePeer> =>
    await DurablePeer.start({ name, directory: path, policy })
  const peers = [await start('millrace', directories[0]), await start('redis', directories[1])] as const
  for (const row of rows) if (!(await compare(row, peers, runs)).isMet) missed++
  for (const peer of peers) await peer.stop()
  for (const directory of directories) directory.remove()
  return missed
}

async function loads(): Promise<number> {
  const settings = { entries: Math.round(1_000_000 * scale), value, parent: values.dir }
  const { rows, sides, remove } = loading(settings)
  let missed = 0
  for (const row of rows.filter(isWanted)) if (!(await compare(row, sides, runs)).isMet) missed++
  remove()
  return missed
}

function printDisk(): void {
  const directory = new BenchDirectory(values.dir)
  const shown = (['at the end', 'in place'] as const).map((where) => {
    const { p50Ms, p99Ms } = syncTimes(directory.path, where)
    return `100 bytes ${where} p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`
  })
  console.log(`${join(directory.path, '..')}: write and fdatasync of ${shown.join('; ')}`)
  directory.remove()
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${process.platform}`)
printDisk()
console.log(`median of ${runs} interleaved runs, scale ${scale}`)
printHeader()
let missed = 0
for (const policy of ['always', 'everysec'] as const) missed += await xadds(policy, rowsOf[policy].filter(isWanted))
missed += await loads()
const settings = { runs, scale, parent: values.dir }
if (isWanted({ name: 'snapshot' })) missed += await snapshot(settings)
if (isWanted({ name: 'adds' })) missed += await addsInProcess(settings)
console.log(missed === 0 ? 'every bar is met' : `${missed} bars are missed`)
process.exitCode = missed === 0 ? 0 : 1
