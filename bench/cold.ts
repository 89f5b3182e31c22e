/**
 * A stream ten times as large as the memory it may take: what it costs to fill and to read it, against the same stream in
 * memory, and whether everything that is read is right.
 *
 *   cold ──spawn──► cold-stream.mjs      all in memory │ under a budget       append ─► scan from 0 ─► group read ─► claim
 *        ──spawn──► millrace serve       the same two over the wire (cold-wire.ts), the second one with a journal and snapshots
 *
 * Each in a process of its own, one after the other, the faster of the rounds counts. Each entry's value is compared by
 * its CRC-32. Resident memory is what the system says, at its highest: it includes Node itself (some 55 MB) and what was
 * let go and not collected yet.
 *
 *   npm run bench -- cold [--gigabytes 2] [--budget 200] [--rounds 2] [--dir DIR] [--appendfsync everysec] [--only wire]
 *
 * Bars: under the budget appends at half the rate in memory or more, everything right, resident memory within the budget
 * plus 100 MB.
 *
 * Does not show: other streams; a disk slower than the system's cache of it (most of what is written and read again stays in
 * that cache).
 */
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureWire, type WirePhase } from './cold-wire.ts'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    budget: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '2' },
    dir: { type: 'string' },
    appendfsync: { type: 'string', default: 'everysec' },
    only: { type: 'string' },
  },
})
const bytes = Number(values.gigabytes) * 1e9
const budgetBytes = Number(values.budget) * 1e6
// As `--maxmemory 200mb` is read.
const wireBudgetBytes = Number(values.budget) * 2 ** 20
const rounds = Number(values.rounds)
const appendRatioMin = 0.5
const spareBytes = 100e6

/** What a phase took, and left: a line of cold-stream.mjs. */
interface Phase {
  readonly name: string
  readonly entries: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly isCorrect: boolean
  readonly peakBytes: number
  readonly countedBytes: number
  readonly reads: number
}

function run(entryBytes: number, memoryBytes: number | undefined): Phase[] {
  const settings = JSON.stringify({ bytes, entryBytes, memoryBytes, directory: values.dir })
  const file = join(import.meta.dirname, 'cold-stream.mjs')
  const text = execFileSync(process.execPath, ['--expose-gc', file, settings], { encoding: 'utf8' })
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Phase)
}

/** Of each phase the round in which it was fastest, with the highest memory of all rounds. */
function best(all: readonly (readonly Phase[])[]): Phase[] {
  return all[0]!.map((first, i) => {
    const same = all.map((phases) => phases[i]!)
    const fastest = same.reduce((a, b) => (b.seconds < a.seconds ? b : a), first)
    const peakBytes = Math.max(...same.map((phase) => phase.peakBytes))
    return { ...fastest, peakBytes, isCorrect: same.every(({ isCorrect }) => isCorrect) }
  })
}

function rate(phase: Phase): number {
  return phase.entries / phase.seconds
}

function show(phase: Phase, memory: Phase): void {
  const ratio = rate(phase) / rate(memory)
  const whole = (value: number, width: number): string => Math.round(value).toLocaleString('en').padStart(width)
  console.log(
    `  ${phase.name.padEnd(14)}${whole(rate(phase), 12)} a second, in memory${whole(rate(memory), 12)}: ` +
      `${ratio.toFixed(2)}   ${((phase.cpuSeconds / phase.entries) * 1e6).toFixed(2)} µs CPU an entry ` +
      `(${((memory.cpuSeconds / memory.entries) * 1e6).toFixed(2)})   ${whole(phase.peakBytes / 1e6, 5)} MB ` +
      `(${whole(memory.peakBytes / 1e6, 1)})   ${whole(phase.reads, 6)} segments read so far${phase.isCorrect ? '' : '   WRONG'}`,
  )
}

function measure(entryBytes: number): number {
  const [inMemory, onDisk]: [Phase[][], Phase[][]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    inMemory.push(run(entryBytes, undefined))
    onDisk.push(run(entryBytes, budgetBytes))
  }
  const [memory, disk] = [best(inMemory), best(onDisk)]
  console.log(`\n${Number(values.gigabytes)} GB of ${entryBytes}-byte values, budget ${values.budget} MB`)
  for (const [i, phase] of disk.entries()) show(phase, memory[i]!)
  const missed: string[] = []
  const ratio = rate(disk[0]!) / rate(memory[0]!)
  const peakBytes = disk.at(-1)!.peakBytes
  if (ratio < appendRatioMin)
    missed.push(`appends at ${ratio.toFixed(2)} of the rate in memory (bar ${appendRatioMin})`)
  if (peakBytes > budgetBytes + spareBytes) missed.push(`${Math.round(peakBytes / 1e6)} MB resident`)
  if (!disk.every(({ isCorrect }) => isCorrect)) missed.push('something that was read is wrong')
  for (const text of missed) console.log(`  MISSED: ${text}`)
  return missed.length
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, best of ${rounds} rounds`)
/** Once: loading, snapshots and the disk's own caches make a second run no better. */
async function overTheWire(entryBytes: number): Promise<number> {
  const settings = { bytes, entryBytes, policy: values.appendfsync, parent: values.dir }
  const without = await measureWire({ ...settings, budgetBytes: undefined })
  const inMemory = await measureWire({ ...settings, budgetBytes: 0 })
  const onDisk = await measureWire({ ...settings, budgetBytes: wireBudgetBytes })
  console.log(
    `\nOver the wire: millrace serve --dir D --appendfsync ${values.appendfsync} --maxmemory ${values.budget}mb, ` +
      `${Number(values.gigabytes)} GB of ${entryBytes}-byte values, one connection, 100 commands at a time; ` +
      'beside it without --maxmemory (journal and snapshots as well), and without --dir',
  )
  for (const [i, phase] of onDisk.entries()) showWire(phase, inMemory[i]!, without[i])
  const missed: string[] = []
  const ratio = wireRate(onDisk[0]!) / wireRate(inMemory[0]!)
  const peakBytes = Math.max(...onDisk.map((phase) => phase.peakBytes))
  if (ratio < appendRatioMin)
    missed.push(`appends at ${ratio.toFixed(2)} of the rate in memory (bar ${appendRatioMin})`)
  if (peakBytes > wireBudgetBytes + spareBytes) missed.push(`${Math.round(peakBytes / 1e6)} MB resident`)
  for (const text of missed) console.log(`  MISSED: ${text}`)
  return missed.length
}

function wireRate(phase: WirePhase): number {
  return phase.entries / phase.seconds
}

function showWire(phase: WirePhase, inMemory: WirePhase, without: WirePhase | undefined): void {
  const whole = (value: number, width: number): string => Math.round(value).toLocaleString('en').padStart(width)
  const beside = (other: WirePhase): string =>
    `${whole(wireRate(other), 8)} (${(wireRate(phase) / wireRate(other)).toFixed(2)}; ${whole(other.peakBytes / 1e6, 1)} MB)`
  console.log(
    `  ${phase.name.padEnd(12)}${whole(wireRate(phase), 8)} a second, ${whole(phase.peakBytes / 1e6, 1)} MB at its highest; ` +
      `all in memory ${beside(inMemory)}${without?.name === phase.name ? `, without a directory ${beside(without)}` : ''}`,
  )
}

const engineMissed = values.only === 'wire' ? 0 : measure(1024) + measure(100)
const missed = engineMissed + (values.only === 'engine' ? 0 : await overTheWire(1024))
process.exitCode = missed === 0 ? 0 : 1
