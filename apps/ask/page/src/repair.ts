/**
 * The end of a text that is still growing, made presentable: what is begun is closed (`remend`), and what can't
 * be told yet is held back until it can, so that nothing appears as raw marks for a moment.
 */
import remend from 'remend'

const REPAIR = { katex: false, htmlTags: false, singleTilde: false, images: false } as const

/** Marks at the very end, with nothing inside of them yet. */
const BARE_MARKS = /(^|[\s|([])(?:[*_~]{1,3}|`{1,2}|!?\[)$/
const BARE_HEADING = /(^|\n) {0,3}#{1,6}[ \t]*$/

export function repairTail(text: string): string {
  const shown = withoutUndecidedTable(text).replace(BARE_HEADING, '$1').replace(BARE_MARKS, '$1')
  return remend(shown, REPAIR)
}

/** A table's head is text until its line of dashes is complete. */
function withoutUndecidedTable(text: string): string {
  const [rows = ''] = /(?:(?<=^|\n) {0,3}\|[^\n]*\n?)+$/.exec(text) ?? []
  const [, dashes, ...more] = rows.split('\n')
  const isUndecided = dashes === undefined || (more.length === 0 && /^[\s|:-]*$/.test(dashes))
  return isUndecided ? text.slice(0, text.length - rows.length) : text
}
