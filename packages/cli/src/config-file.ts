/**
 * A configuration file: redis.conf's form, and a part of its names.
 *
 *   # a comment
 *   port 7000
 *   requirepass "with spaces"
 */
import { readFileSync } from 'node:fs'
import { splitInline } from '@millrace/protocol'
import { UsageError, type Given } from './serve-settings.ts'

/** What the file gives, line by line; throws a `UsageError` that names file and line. */
export function readConfigFile(file: string): Given[] {
  return textOf(file)
    .split('\n')
    .flatMap((line, i) => readLine(line.trim(), `${file}:${i + 1}`))
}

function readLine(line: string, origin: string): Given[] {
  if (line === '' || line.startsWith('#')) return []
  const [name, ...words] = splitInline(line) ?? []
  if (name === undefined) throw new UsageError(`${origin}: the quotes of this line do not match`)
  return [{ name: name.toLowerCase(), words, origin }]
}

function textOf(file: string): string {
  try {
    // Passwords may be any bytes.
    return readFileSync(file, 'latin1')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UsageError(`The configuration file ${file} cannot be read (${reason})`)
  }
}
