/** A change in a few words, for people who look at what is lost: which key, which entry, what happened to it. */
import type { Change, CrossChange } from '../change.ts'
import { formatId } from '../id.ts'
import { nameOf } from '../number-id.ts'
import { ChangeReader } from './change-reader.ts'
import { PayloadError } from './payload.ts'

const TEXTS_MAX = 5

/** `'orders' 5-0 (entry-added)`; of a change in another database than the first one, that as well. */
export function changeText(database: number, change: Change | CrossChange): string {
  const place = database === 0 ? '' : `database ${database}, `
  const key = 'key' in change ? `'${change.key}' ` : ''
  const id = idOf(change)
  return `${place}${key}${id === undefined ? '' : `${id} `}(${change.kind})`
}

/** The first change of a payload that may be damaged; undefined: not even that can be read. */
export function firstChangeText(payload: Uint8Array): string | undefined {
  for (const { database, change } of readable(payload)) return changeText(database, change)
  return undefined
}

/** The last change of each key in payloads, of the last few keys. */
export function lastChangeTexts(payloads: readonly Uint8Array[]): string[] {
  const texts = new Map<string, string>()
  for (const payload of payloads) {
    for (const { database, change } of readable(payload)) {
      const key = `${database} ${'key' in change ? change.key : ''}`
      texts.delete(key)
      texts.set(key, changeText(database, change))
    }
  }
  return [...texts.values()].slice(-TEXTS_MAX)
}

/** The changes of a payload as far as they can be read: it may be damaged, or a newer program's. */
function* readable(payload: Uint8Array): Generator<Pick<ChangeReader, 'database' | 'change'>> {
  try {
    const reader = new ChangeReader(payload)
    while (reader.next()) yield reader
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
  }
}

function idOf(change: Change | CrossChange): string | undefined {
  switch (change.kind) {
    case 'entry-added':
      return nameOf(change.id)
    case 'delivered':
      return nameOf(change.lastId)
    case 'iid-recorded':
      return formatId(change.id)
    case 'trimmed':
      return formatId(change.through)
    case 'entries-deleted':
    case 'entries-trimmed':
      return change.ids.length === 0 ? undefined : formatId(change.ids.at(-1)!)
    case 'id-set':
    case 'group-advanced':
      return formatId(change.lastId)
    default:
      return undefined
  }
}
