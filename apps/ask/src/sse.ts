/**
 * Server-Sent Events: one answer over plain HTTP.
 *
 *   id: 1795391639213-0          the offset, which comes back as Last-Event-ID
 *   event: entry
 *   data: {"type":"delta",…}
 *
 * A comment line every 10 s keeps proxies from closing a silent connection. `drain` is awaited before more is
 * read from the log; a client that takes nothing for a minute is dropped by the HTTP server, and reconnects at its offset.
 */
import type { Response } from 'express'
import { isClosing, type FollowBatch } from '@millrace/relay'
import type { Follow, Sink } from './follow.ts'
import type { WireError } from './wire.ts'

export const eventStreamHeaders: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
}

export interface EventStreamOptions {
  readonly heartbeatMs: number
  /** The failure as the client is told. */
  readonly describe: (error: unknown) => WireError
}

/** The frames of a batch. */
export function framesOf({ entries, caughtUp }: FollowBatch): string {
  const frames = entries.map((entry) => `id: ${entry.id}\nevent: entry\ndata: ${JSON.stringify(entry)}\n\n`)
  if (entries.some(isClosing)) frames.push('event: closed\ndata: {}\n\n')
  else if (caughtUp) frames.push('event: caught-up\ndata: {}\n\n')
  return frames.join('')
}

/** Sends an opened follow to its end, then ends the response. Never rejects. */
export async function sendEvents(response: Response, follow: Follow, options: EventStreamOptions): Promise<void> {
  response.writeHead(200, eventStreamHeaders)
  response.flushHeaders()
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': still here\n\n')
  }, options.heartbeatMs)
  try {
    await follow.run(responseSink(response))
  } catch (error) {
    // A client that is gone has nobody to tell.
    if (!response.destroyed)
      response.write(`event: follow-ended\ndata: ${JSON.stringify({ error: options.describe(error) })}\n\n`)
  } finally {
    clearInterval(heartbeat)
    response.end()
  }
}

function responseSink(response: Response): Sink {
  return {
    ready: (signal) => drained(response, signal),
    send: (batch) => {
      response.write(framesOf(batch))
    },
  }
}

function drained(response: Response, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!response.writableNeedDrain) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.off('drain', settle)
      signal.removeEventListener('abort', settle)
      if (signal.aborted) reject(signal.reason as Error)
      else resolve()
    }
    response.on('drain', settle)
    signal.addEventListener('abort', settle)
  })
}
