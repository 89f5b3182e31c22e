/**
 * An inline request: words between spaces, as somebody types them at a terminal.
 *
 *   SET key "a b\x00\n" 'it\'s'   ──►   SET │ key │ a b<0><LF> │ it's
 *
 * Double quotes know \xHH, \n, \r, \t, \b, \a and any other character after a backslash; single quotes know \' alone. A
 * closing quote is followed by a space or by nothing.
 */

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }
const SPACES = ' \n\r\t\v\f'

/** The words of a line; undefined when its quotes do not match. */
export function splitInline(line: string): string[] | undefined {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < line.length && isSpace(line, at)) at++
    // As Redis, which works on C strings here: a NUL ends the line.
    if (at === line.length || line[at] === '\0') return words
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
  while (at < line.length && line[at] !== '\0' && !isSpace(line, at)) {
    const quote = line[at]!
    if (quote !== '"' && quote !== "'") {
      text += quote
      at++
      continue
    }
    const quoted = quote === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1)
    if (quoted === undefined) return undefined
    if (quoted.end < line.length && !isSpace(line, quoted.end)) return undefined
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

function isSpace(line: string, at: number): boolean {
  return SPACES.includes(line[at]!)
}
