/** Removes consumers that are long idle and own nothing: of processes that are gone. The backend checks both in one step. */

import type { Backend } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

export async function reap(
  backend: Backend,
  stream: string,
  idleMs: number,
  tell: (event: CareEvent) => void,
): Promise<void> {
  const groups = (await backend.inspect(stream))?.groups ?? []
  for (const { name } of groups) await reapStream(siblingKey(stream, `retry:${name}`))
  await reapStream(stream)

  async function reapStream(key: string): Promise<void> {
    for (const group of (await backend.inspect(key))?.groups ?? []) {
      for (const consumer of group.consumers) {
        if (consumer.pending > 0 || consumer.idleMs <= idleMs) continue
        if (await remove(backend, { key, group: group.name, consumer: consumer.name })) {
          tell({ type: 'consumer-reaped', stream: key, group: group.name, consumer: consumer.name })
        }
      }
    }
  }
}

async function remove(
  backend: Backend,
  { key, group, consumer }: { readonly key: string; readonly group: string; readonly consumer: string },
): Promise<boolean> {
  try {
    return await backend.deleteConsumer(key, group, consumer)
  } catch (error) {
    // It came back, or its group went, since it was looked at.
    if (error instanceof StreamError && /^(CONSUMER_BUSY|GROUP_NOT_FOUND)$/.test(error.code)) return false
    throw error
  }
}
