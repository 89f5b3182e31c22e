/**
 * An inline request: words between spaces, as somebody types them at a terminal.
 *
 *   SET key "a b\x00\n" 'it\'s'   ──►   SET │ key │ a b<0><LF> │ it's
 *
 * Double quotes know \xHH, \n, \r, \t, \b, \a and any other character after a backslash; single quotes know \' alone. A
 * closing quote is followed by a blank or by nothing.
 */
import type { Request } from './request.ts'

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }
/** What may stand before a word and after a closing quote. */
const BLANKS = ' \n\r\t\v\f'
/** What ends a word: fewer, as in Redis, where a vertical tab within a word belongs to it. */
const ENDS = ' \n\r\t\0'
const SPACE = 0x20
const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27

/**
 * Hot: adds the words of a line to a request, in place. False, and nothing added, when the line has quotes or control
 * characters other than a tab: then `splitInline` is needed.
 */
export function addPlainWords(request: Request, from: number, to: number): boolean {
  const { bytes } = request
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!
    if ((byte < SPACE && byte !== 9) || byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) return false
  }
  let at = from
  for (;;) {
    while (at < to && isPlainBlank(bytes[at]!)) at++
    if (at === to) return true
    const start = at
    while (at < to && !isPlainBlank(bytes[at]!)) at++
    request.add(start, at)
  }
}

function isPlainBlank(byte: number): boolean {
  return byte === SPACE || byte === 9
}

/** The words of a line; undefined when its quotes do not match. */
export function splitInline(line: string): string[] | undefined {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < line.length && BLANKS.includes(line[at]!)) at++
    if (at === line.length) return words
    const word = readWord(line, at)
    if (word === undefined) return undefined
    words.push(word.text)
    at = word.end
  }
}

interface Word {
  readonly text: string
  readonly end: number
}

function readWord(line: string, from: number): Word | undefined {
  let text = ''
  let at = from
  while (at < line.length && !ENDS.includes(line[at]!)) {
    const quote = line[at]!
    if (quote !== '"' && quote !== "'") {
      text += quote
      at++
      continue
    }
    const quoted = quote === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1)
    if (quoted === undefined) return undefined
    if (quoted.end < line.length && !BLANKS.includes(line[quoted.end]!)) return undefined
    return { text: text + quoted.text, end: quoted.end }
  }
  return { text, end: at }
}

function readDouble(line: string, from: number): Word | undefined {
  let text = ''
  for (let at = from; at < line.length; at++) {
    const char = line[at]!
    if (char === '"') return { text, end: at + 1 }
    if (char !== '\\' || at + 1 === line.length) {
      text += char
      continue
    }
    const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4))
    if (hex !== null) {
      text += String.fromCharCode(Number.parseInt(hex[1]!, 16))
      at += 3
    } else {
      at++
      text += escapes[line[at]!] ?? line[at]!
    }
  }
  return undefined
}

function readSingle(line: string, from: number): Word | undefined {
  let text = ''
  for (let at = from; at < line.length; at++) {
    if (line[at] === "'") return { text, end: at + 1 }
    if (line[at] === '\\' && line[at + 1] === "'") at++
    text += line[at]!
  }
  return undefined
}
