/**
 * Markdown cut into blocks, so that a growing answer re-renders only its last one:
 *
 *   text     Intro paragraph ⏎⏎ - one ⏎ - two ⏎⏎ ```redis ⏎ XADD … ⏎ ``` ⏎⏎ The end of
 *   block    markdown          markdown         fence                    markdown, open
 *
 * A block ends at a blank line outside a fence when the next line starts something new at the margin; a list
 * keeps the blank lines between its items. Fences at the margin are blocks of their own. Where a block begins
 * never changes as text is appended, so finished blocks are final.
 */

export interface Block {
  /** Where it begins in the text: its identity. */
  readonly at: number
  readonly kind: 'markdown' | 'fence'
  /** The Markdown, or the code inside the fence. */
  readonly text: string
  readonly lang: string
  readonly open: boolean
}

const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
const HALF_FENCE = /^ {0,3}(?:`+[^`]*|~~~[^\n]*)$/
const INDENTED = /^(?: {2,}|\t)\S/

export class BlockSplitter {
  #finished: readonly Block[] = []
  /** Where the open part begins. */
  #from = 0
  #cuts = 0
  #length = 0

  /** `cuts` counts how often the text was cut back; `closed` says that no more will come. */
  split(text: string, cuts: number, closed: boolean): readonly Block[] {
    if (cuts !== this.#cuts || text.length < this.#length) this.#reset(cuts)
    this.#length = text.length
    const found = splitBlocks(text, this.#from)
    const open = found.pop()
    if (found.length > 0) this.#finished = [...this.#finished, ...found]
    if (open === undefined) return this.#finished
    this.#from = open.at
    return [...this.#finished, closed ? { ...open, open: false } : open]
  }

  #reset(cuts: number): void {
    this.#finished = []
    this.#from = 0
    this.#cuts = cuts
  }
}

/** Blocks from the offset `from`, which is the beginning of one; the last may still grow. */
export function splitBlocks(text: string, from = 0): Block[] {
  const blocks: Block[] = []
  let at = from
  while (at < text.length) {
    const end = text[at] === '\n' ? at : lineEnd(text, at)
    if (text.slice(at, end).trim() === '') {
      at = end + 1
      continue
    }
    const block = readFence(text, at) ?? readMarkdown(text, at)
    blocks.push(block.block)
    at = block.next
  }
  return blocks
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

interface Found {
  readonly block: Block
  readonly next: number
}

function readFence(text: string, at: number): Found | undefined {
  const end = lineEnd(text, at)
  const opening = FENCE.exec(text.slice(at, end))
  if (opening === null) return undefined
  const [, mark = '', info = ''] = opening
  // A backtick fence's info has no backticks: "```x```" is inline code.
  if (mark.startsWith('`') && info.includes('`')) return undefined
  const lang = info.trim().split(/\s/)[0] ?? ''
  const from = Math.min(end + 1, text.length)
  let line = from
  while (line < text.length) {
    const close = lineEnd(text, line)
    if (closes(text.slice(line, close), mark)) {
      const code = text.slice(from, Math.max(from, line - 1))
      return { block: { at, kind: 'fence', text: code, lang, open: close === text.length }, next: close + 1 }
    }
    line = close + 1
  }
  const code = withoutHalfFence(text.slice(from), mark)
  return { block: { at, kind: 'fence', text: code, lang, open: true }, next: text.length }
}

/** A last line of "``" is about to close the fence: shown as code it would flicker. */
function withoutHalfFence(code: string, mark: string): string {
  const line = code.lastIndexOf('\n') + 1
  const half = code.slice(line).trim()
  return half !== '' && half.length < mark.length && mark.startsWith(half) ? code.slice(0, line) : code
}

function closes(line: string, mark: string): boolean {
  const trimmed = line.trim()
  return trimmed.length >= mark.length && !/^ {4}/.test(line) && trimmed === mark[0]!.repeat(trimmed.length)
}

function readMarkdown(text: string, at: number): Found {
  let line = at
  let isList = LIST_ITEM.test(text.slice(at, lineEnd(text, at)))
  let inner: string | undefined
  let wasBlank = false
  while (line < text.length) {
    const end = lineEnd(text, line)
    const content = text.slice(line, end)
    const blank = content.trim() === ''
    if (inner !== undefined) {
      if (closes(content.trimStart(), inner)) inner = undefined
    } else if (!blank) {
      const complete = end < text.length
      if (line > at && startsAnew(content, { wasBlank, isList, complete })) return markdown(text, at, line)
      // "```redis" without its line break may still be inline code: held back until it is decided.
      if (line > at && !complete && HALF_FENCE.test(content)) return open(text, at, line)
      inner = isList ? innerFence(content) : undefined
      isList ||= LIST_ITEM.test(content)
    }
    wasBlank = blank
    line = end + 1
  }
  return open(text, at, text.length)
}

/** A fence inside a list item: its blank lines end nothing. */
function innerFence(line: string): string | undefined {
  return /^\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)?(`{3,}|~{3,})[^`]*$/.exec(line)?.[1]
}

function startsAnew(
  line: string,
  { wasBlank, isList, complete }: { wasBlank: boolean; isList: boolean; complete: boolean },
): boolean {
  const fence = FENCE.exec(line)
  if (complete && fence !== null && !fence[2]!.includes('`') && !(isList && /^ {2}/.test(line))) return true
  if (!wasBlank) return false
  if (isList) return !LIST_ITEM.test(line) && !INDENTED.test(line) && !couldBecomeItem(line)
  return !/^(?: {4}|\t)/.test(line)
}

/** The beginning of a line that the rest may make a list item: "1", "12". */
function couldBecomeItem(line: string): boolean {
  return /^ {0,3}(?:[-*+]|\d{1,9}[.)]?)?$/.test(line)
}

function open(text: string, at: number, to: number): Found {
  return { block: { at, kind: 'markdown', text: text.slice(at, to), lang: '', open: true }, next: text.length }
}

function markdown(text: string, at: number, next: number): Found {
  return { block: { at, kind: 'markdown', text: text.slice(at, next), lang: '', open: false }, next }
}
