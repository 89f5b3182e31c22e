/**
 * Removes consumers that are long gone: silent for ten minutes, with nothing pending. Whether there is nothing pending is looked at
 * again in the step that removes it, so nothing can be lost. One that lives is made anew by its next read.
 */
import type { Backend, StreamInfo } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

const SILENT_MS = 600_000
/** In one run. */
const REMOVED_MAX = 1000

/** Of the stream's groups and their retries. Resolves how many went. */
export async function reap(backend: Backend, stream: string, silentMs: number = SILENT_MS): Promise<number> {
  const info = await backend.inspect(stream)
  if (info === undefined) return 0
  let removed = await reapIn(backend, stream, { info, silentMs })
  for (const { name } of info.groups) {
    const retries = siblingKey(stream, `retry:${name}`)
    const found = await backend.inspect(retries)
    if (found !== undefined) removed += await reapIn(backend, retries, { info: found, silentMs })
  }
  return removed
}

async function reapIn(
  backend: Backend,
  stream: string,
  { info, silentMs }: { readonly info: StreamInfo; readonly silentMs: number },
): Promise<number> {
  let removed = 0
  for (const group of info.groups) {
    for (const consumer of group.consumers) {
      if (consumer.pending > 0 || consumer.idleMs < silentMs || removed >= REMOVED_MAX) continue
      try {
        if (await backend.deleteConsumer(stream, group.name, consumer.name)) removed++
      } catch (error) {
        // It came back, or its group went, just now.
        const code = error instanceof StreamError ? error.code : undefined
        if (code !== 'CONSUMER_BUSY' && code !== 'GROUP_NOT_FOUND' && code !== 'STREAM_NOT_FOUND') throw error
      }
    }
  }
  return removed
}
