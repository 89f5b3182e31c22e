/**
 * How long a server takes to load its data: rows of durable.ts.
 *
 *   filled once ──► start ──► ready ──► SIGTERM ──► start ──► …        in turn with the other server
 */
import { BenchDirectory, DurablePeer, type PeerName } from './durable-peer.ts'
import { cpuSeconds, encode, RawClient } from './peer.ts'
import type { Row } from './side-by-side.ts'
import { waitFor } from '@millrace/testing'

export interface LoadSettings {
  readonly entries: number
  readonly value: string
  readonly parent: string | undefined
}

interface LoadSide {
  readonly name: PeerName
  readonly directory: BenchDirectory
}

export interface Loads {
  readonly rows: readonly Row<LoadSide>[]
  readonly sides: readonly [LoadSide, LoadSide]
  readonly remove: () => void
}

const BATCH = 1000

export function loading({ entries, value, parent }: LoadSettings): Loads {
  const side = (name: PeerName): LoadSide => ({ name, directory: new BenchDirectory(parent) })
  const sides = [side('millrace'), side('redis')] as const
  const load = async (one: LoadSide): Promise<{ value: number; cpuPerMillion: number }> => {
    const peer = await start(one)
    const cpu = cpuSeconds(peer.pid)
    await expectEntries(peer, entries)
    await peer.stop()
    return { value: peer.startMs, cpuPerMillion: (cpu / entries) * 1e6 }
  }
  const isLatency = true
  const count = entries.toLocaleString('en')
  return {
    sides,
    rows: [
      {
        name: `load ${count} commands, in ms`,
        bar: 1,
        isLatency,
        prepare: async (one) => await fill(one, entries, value),
        run: load,
      },
      {
        name: `load ${count} rewritten, in ms`,
        bar: undefined,
        isLatency,
        prepare: async (one) => {
          await fill(one, entries, value)
          await rewrite(one)
        },
        run: load,
      },
    ],
    remove: () => {
      for (const { directory } of sides) directory.remove()
    },
  }
}

/** Leaves so many entries, however often it is called. */
async function fill(side: LoadSide, entries: number, value: string): Promise<void> {
  const peer = await start(side)
  const client = await RawClient.open(peer.port)
  const found = Number((await peer.ask('XLEN', 's')).slice(1))
  for (let from = found; from < entries; from += BATCH) {
    const count = Math.min(BATCH, entries - from)
    await client.send(encode(['XADD', 's', '*', 'field', value]).repeat(count), count * 2)
  }
  client.close()
  await peer.stop()
}

/** As the growth of the journal would have it. */
async function rewrite(side: LoadSide): Promise<void> {
  const peer = await start(side)
  await peer.ask('BGREWRITEAOF')
  const isDone = async (): Promise<boolean> => {
    const text = await peer.ask('INFO', 'persistence')
    return /aof_rewrite_in_progress:0/.test(text) && /aof_rewrite_scheduled:0/.test(text)
  }
  await waitFor(isDone, { what: `${side.name} to rewrite its journal`, timeoutMs: 120_000 })
  await peer.stop()
}

async function start({ name, directory }: LoadSide): Promise<DurablePeer> {
  return await DurablePeer.start({ name, directory: directory.path, policy: 'everysec' })
}

async function expectEntries(peer: DurablePeer, entries: number): Promise<void> {
  const found = await peer.ask('XLEN', 's')
  if (found !== `:${entries}\r\n`) throw new Error(`${peer.name} has loaded ${found.trim()} of ${entries} entries`)
}
