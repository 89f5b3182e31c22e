/** What the tests of workers share: where they run, workers that are stopped afterwards, and looks at what is left. */

import { startCluster, startRedis, waitFor } from '@millrace/testing'
import { afterEach } from 'vitest'
import type { Backend } from '../../backend.ts'
import { connect } from '../../connect.ts'
import { StreamError } from '../../errors.ts'
import { Millrace } from '../../millrace.ts'
import type { Stream } from '../../stream.ts'
import type { BatchHandler, BatchOptions, Handler } from '../runner.ts'
import type { Worker } from '../worker.ts'
import type { WorkerEvent } from '../worker-event.ts'
import type { WorkerOptions } from '../worker-options.ts'

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

export async function embedded(): Promise<Millrace> {
  const millrace = await connect()
  ends.push(() => millrace.close())
  return millrace
}

export async function redisServer(): Promise<Millrace> {
  const server = await startRedis()
  ends.push(() => server.stop())
  const millrace = await connect(server.url, { unavailableMs: 500 })
  ends.push(() => millrace.close())
  return millrace
}

export async function redisCluster(): Promise<Millrace> {
  const cluster = await startCluster({ masters: 3 })
  ends.push(() => cluster.stop())
  const millrace = await connect(cluster.url, { unavailableMs: 2000 })
  ends.push(() => millrace.close())
  return millrace
}

/** A lease that is over soon and a sweep that looks often: takeovers within a fraction of a second. */
export const hasty: WorkerOptions = { leaseMs: 200, sweepMs: 40, blockMs: 1000 }
/** A lease that does not end during a test. */
export const patient: WorkerOptions = { leaseMs: 60_000, sweepMs: 40, blockMs: 1000 }

export interface Started<T> {
  readonly worker: Worker<T>
  readonly events: WorkerEvent[]
}

export function start<T>(stream: Stream<T>, handler: Handler<T>, options: WorkerOptions = patient): Started<T> {
  const events: WorkerEvent[] = []
  return keep(stream.group('g').worker(handler, { ...options, onEvent: (event) => events.push(event) }), events)
}

export function startBatches<T>(
  stream: Stream<T>,
  handler: BatchHandler<T>,
  options: WorkerOptions & BatchOptions,
): Started<T> {
  const events: WorkerEvent[] = []
  const all = { ...patient, ...options, onEvent: (event: WorkerEvent) => events.push(event) }
  return keep(stream.group('g').batchWorker(handler, all), events)
}

function keep<T>(worker: Worker<T>, events: WorkerEvent[]): Started<T> {
  ends.push(() => worker.stop({ graceMs: 0 }))
  return { worker, events }
}

/** Waits until nothing of `s` and of its retries is left to deliver or to acknowledge. */
export async function untilDone({ backend }: Millrace): Promise<void> {
  const isDone = async (stream: string): Promise<boolean> => {
    const group = (await backend.inspect(stream))?.groups[0]
    return group?.pending === 0 && group.lag === 0
  }
  await waitFor(
    async () =>
      (await isDone('s')) && (await isDone('{s}:retry:g')) && (await backend.range('{s}:delayed')).length === 0,
    { what: 'every entry to be done with' },
  )
}

export async function fieldsOf({ backend }: Millrace, stream: string): Promise<Record<string, string>[]> {
  return (await backend.range(stream)).map(({ fields }) => {
    const texts = fields.map((field) => Buffer.from(field).toString())
    return Object.fromEntries(texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1]!]] : [])))
  })
}

/** Delivers everything so many times, to consumers that never do anything about it: workers that died. */
export async function deliverToDead({ backend }: Millrace, times = 1): Promise<void> {
  await backend.createGroup('s', 'g')
  await backend.readGroup({ group: 'g', consumer: 'dead-1' }, new Map([['s', '>']]), { count: 1000 })
  const ids = (await backend.pending('s', 'g', { count: 1000 })).map(({ id }) => id)
  for (let i = 2; i <= times; i++) await backend.claim('s', 'g', `dead-${i}`, { minIdleMs: 0, ids })
}

/** A promise and what settles it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** The backend, whose next reply of `verb` that tells of something done is lost after it was done. */
export function losingReply(backend: Backend, verb: 'readGroup' | 'step' | 'settle'): Millrace {
  let isLost = false
  const lossy = new Proxy(backend, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const reply: unknown = Reflect.apply(value, target, args)
        if (name !== verb || isLost) return reply
        return Promise.resolve(reply).then((result) => {
          if (result instanceof Map && result.size === 0) return result
          isLost = true
          throw new StreamError('OUTCOME_UNKNOWN', 'The connection was lost before the reply came')
        })
      }
    },
  })
  return new Millrace(lossy)
}
