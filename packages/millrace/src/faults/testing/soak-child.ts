/**
 * A program that does all that the toolkit offers, for as long as it is told to, and prints what it holds: memory after a collection,
 * what keeps the event loop alive, listeners. Its line is cut meanwhile.
 *
 *   node --expose-gc soak-child.ts TARGET SECONDS
 *
 * A line of JSON each second; the last has `sent` and `handled`.
 */
import { connect } from '../../connect.ts'

const [, , target, seconds] = process.argv
const PACE_MS = 10
const PER_PACE = 3

const mr = await connect(target, { unavailableMs: 2000, replyMs: 2000 })
const plain = mr.stream<{ n: number }>('plain')
const ordered = mr.stream<{ n: number }>('ordered', { orderingKey: ({ n }) => `k${n % 20}`, partitions: 4 })
const handled = { plain: new Set<number>(), ordered: new Set<number>() }
const options = { leaseMs: 3000, sweepMs: 500, blockMs: 1000, retry: { initialMs: 20, maxMs: 200, maxAttempts: 1000 } }
const monitor = mr.monitor({ streams: [plain, ordered], everyMs: 1000 })
const workers = [1, 2].flatMap(() => [
  plain.group('g').worker(async ({ value }, { attempt, signal }) => {
    if (value.n % 10 === 0 && attempt === 1) throw new Error('at first')
    if (value.n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, signal.aborted ? 0 : 20))
    handled.plain.add(value.n)
  }, options),
  ordered.group('g').worker(({ value }) => void handled.ordered.add(value.n), options),
])

/** What was sent and is not done yet: the sets above would grow for ever otherwise. */
const open = { plain: new Set<number>(), ordered: new Set<number>() }
let sent = 0
let done = 0
function sweepDone(): void {
  for (const name of ['plain', 'ordered'] as const) {
    for (const n of open[name]) {
      if (!handled[name].has(n)) continue
      open[name].delete(n)
      handled[name].delete(n)
      done++
    }
    // Done again, after it was counted: a repetition.
    for (const n of handled[name]) if (!open[name].has(n) && n < sent - 20_000) handled[name].delete(n)
  }
}

async function send(n: number): Promise<void> {
  const key = { key: `m${n}`, keyWindowMs: 60_000 }
  await Promise.all([plain.add({ n }, key), ordered.add({ n }, key)])
  open.plain.add(n)
  open.ordered.add(n)
}

const adding = new Set<Promise<void>>()
const untilMs = performance.now() + Number(seconds) * 1000
for (let nextMs = performance.now(); performance.now() < untilMs;) {
  for (let i = 0; i < PER_PACE && adding.size < 500; i++) {
    const one: Promise<void> = send(sent++).finally(() => adding.delete(one))
    adding.add(one)
  }
  if (performance.now() >= nextMs) {
    nextMs += 1000
    sweepDone()
    globalThis.gc?.()
    const { heapUsed, rss } = process.memoryUsage()
    const kept = process.getActiveResourcesInfo()
    const sockets = kept.filter((name) => name === 'TCPSocketWrap').length
    const line = { heapUsed, rss, kept: kept.length, sockets, sent, done, adding: adding.size }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
  await new Promise((resolve) => setTimeout(resolve, PACE_MS))
}
await Promise.all(adding)
const limitMs = performance.now() + 60_000
while (open.plain.size + open.ordered.size > 0 && performance.now() < limitMs) {
  sweepDone()
  await new Promise((resolve) => setTimeout(resolve, 50))
}
process.stdout.write(`${JSON.stringify({ end: true, sent: 2 * sent, done })}\n`)
await Promise.all(workers.map((worker) => worker.stop({ graceMs: 1000 })))
await monitor.stop()
await mr.close()
