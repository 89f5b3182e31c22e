/**
 * A worker as a process of its own, which notes what it does in a file, and which kills, stops or hangs itself at marked points
 * of those messages that say so; once for each message, whichever process comes to it first, where the mark says once.
 *
 *   node worker-child.ts '{ target, log, marks, … }'
 *
 *   start ─'before'─► effect, ─'inside'─► its end noted ─'between'─► return ackWith ─'returned'─► acknowledged ─'after'─►
 *                     once more with mr.idempotency
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '../../connect.ts'
import type { Handler } from '../../worker/runner.ts'
import { ackWith } from '../../worker/outcome.ts'
import type { WorkerEvent } from '../../worker/worker-event.ts'
import { HistoryLog } from './history-log.ts'

export interface ChildOptions {
  readonly target: string
  readonly stream: string
  /** The file for what happened. */
  readonly log: string
  /** A directory of marks: a file for each message that has had its turn. */
  readonly marks: string
  readonly concurrency: number
  readonly leaseMs: number
  readonly maxAttempts?: number
  readonly consumer?: string
}

export interface Message {
  readonly n: number
  readonly mark?: 'before' | 'inside' | 'between' | 'returned' | 'after' | 'stop' | 'exit' | 'spin' | 'allocate'
}

const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions
const log = new HistoryLog(options.log)
let killsAtCompleted: number | undefined

function die(n: number): never {
  log.write({ what: 'kill', n })
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

/** Is it this message's first time at its mark? */
function isFirst(n: number): boolean {
  try {
    closeSync(openSync(join(options.marks, String(n)), 'wx'))
    return true
  } catch {
    // The file is there: it had its turn.
    return false
  }
}

/** Marks without an end: the message kills every worker. */
function kill(message: Message): void {
  if (message.mark === 'exit') process.exit(1)
  if (message.mark === 'spin') for (;;);
  if (message.mark !== 'allocate') return
  const held: number[][] = []
  for (;;) held.push(Array.from({ length: 1_000_000 }, (_, i) => i))
}

function onEvent(event: WorkerEvent): void {
  if (event.type === 'completed' && killsAtCompleted !== undefined) die(killsAtCompleted)
  if (event.type === 'completed') log.write({ what: 'completed', count: event.count })
  if (event.type === 'lost') log.write({ what: 'lost', id: event.id })
  if (event.type === 'error') log.write({ what: 'error', text: String(event.error) })
}

const millrace = await connect(options.target, { unavailableMs: 2000 })
const stream = millrace.stream<Message>(options.stream)
const once = millrace.idempotency(`${options.stream}-effects`, { leaseMs: Math.max(100, options.leaseMs) })

const waiting: (() => void)[] = []

/** Stops the process once for all of its handlers, when each of them has come here. */
async function stopTogether(): Promise<void> {
  const going = new Promise<void>((resolve) => waiting.push(resolve))
  if (waiting.length === options.concurrency) {
    process.kill(process.pid, 'SIGSTOP')
    for (const go of waiting.splice(0)) go()
  }
  await going
  // What came while the process was stopped has its turn first.
  await new Promise((resolve) => setImmediate(resolve))
}

const handler: Handler<Message> = async (entry, { attempt, lease }) => {
  const { n, mark } = entry.value
  log.write({ what: 'start', n, id: entry.id, attempt })
  kill(entry.value)
  if (mark === 'stop' && isFirst(n)) {
    log.write({ what: 'stopped', n, id: entry.id })
    await stopTogether()
    const settled = await millrace.backend.settle(lease.stream, lease.group, lease.consumer, [lease.copyId])
    const fence = await lease.fence().then(
      () => 'given',
      (error: { code?: string }) => error.code ?? String(error),
    )
    log.write({ what: 'zombie', n, id: entry.id, count: settled.length, text: fence })
    return undefined
  }
  const isMarked = mark !== undefined && mark !== 'stop' && isFirst(n)
  if (isMarked && mark === 'before') die(n)
  log.write({ what: 'effect', n })
  await once.run(String(n), ({ fence }) => {
    log.write({ what: 'once', n, fence })
    if (isMarked && mark === 'inside') die(n)
  })
  if (isMarked && mark === 'between') die(n)
  // The step may be on its way, or not.
  if (isMarked && mark === 'returned') setImmediate(() => die(n))
  if (isMarked && mark === 'after') killsAtCompleted = n
  log.write({ what: 'end', n })
  return ackWith([{ kind: 'increment', key: `{${options.stream}}:did:${n}` }])
}

const { concurrency, leaseMs, maxAttempts, consumer } = options
const worker = stream.group('g').worker(handler, {
  concurrency,
  leaseMs,
  sweepMs: Math.max(20, leaseMs / 5),
  blockMs: 1000,
  onEvent,
  ...(maxAttempts === undefined ? {} : { retry: { maxAttempts } }),
  ...(consumer === undefined ? {} : { consumer }),
})
log.write({ what: 'ready' })
process.once('SIGTERM', () => {
  void worker
    .stop()
    .then(async () => await millrace.close())
    .then(() => log.write({ what: 'stopped-in-order' }))
})
