/**
 * From an answer's entries to its text: the one rule that every reader follows.
 *
 *   start          ''
 *   delta 'A co'   'A co'
 *   delta 'nsum'   'A consum'
 *   restarted 4    'A co'          keep the first 4 code units
 *   delta 'mmand'  'A command'
 *   end            'A command'     closed: nothing follows
 *
 * No import at run time, so that a web page uses the same code (`@millrace/relay/text`).
 */
import type { AnswerEntry, AnswerState } from './entry.ts'

/** The text behind `entry`, from the text before it. */
export function nextText(text: string, entry: AnswerEntry): string {
  if (entry.type === 'delta') return text + entry.text
  if (entry.type === 'restarted') return text.slice(0, entry.keep)
  return text
}

/** The text of the entries from the first one on. */
export function textOf(entries: Iterable<AnswerEntry>): string {
  let text = ''
  for (const entry of entries) text = nextText(text, entry)
  return text
}

/** True for the entry that closes an answer. */
export function isClosing(entry: AnswerEntry): boolean {
  return entry.type === 'end' || entry.type === 'error' || entry.type === 'stopped'
}

/** What an answer is doing, from its last entry. */
export function stateOf(last: AnswerEntry): AnswerState {
  switch (last.type) {
    case 'question':
      return 'waiting'
    case 'start':
    case 'delta':
    case 'restarted':
      return 'streaming'
    case 'end':
      return 'done'
    case 'error':
      return 'failed'
    case 'stopped':
      return 'stopped'
  }
}

/**
 * An answer as a reader holds it: the text, and where it stands in the log.
 * An entry that it has already is dropped; one that does not follow is refused, never guessed over.
 */
export class AnswerText {
  #text = ''
  #last: AnswerEntry | undefined

  get text(): string {
    return this.#text
  }

  /** The last entry that was applied: its `id` is the offset to follow from. */
  get last(): AnswerEntry | undefined {
    return this.#last
  }

  get state(): AnswerState {
    return this.#last === undefined ? 'waiting' : stateOf(this.#last)
  }

  /** `gap`: entries are missing before this one, and nothing was changed; follow again from `last`. */
  apply(entry: AnswerEntry): 'applied' | 'repeated' | 'gap' {
    const expected = this.#last === undefined ? 0 : this.#last.seq + 1
    if (entry.seq < expected) return 'repeated'
    if (entry.seq > expected) return 'gap'
    this.#text = nextText(this.#text, entry)
    this.#last = entry
    return 'applied'
  }
}
