/**
 * What the first argument of `connect` stands for.
 *
 *   nothing                                  memory
 *   redis://…  rediss://…, several, a list   a server, or a Cluster
 *   ./data  ../data  /var/data  data/here    a directory
 *   file:./data  file:///var/data            a directory
 *
 * A word without a slash ('data', 'localhost') could be either, and whatever has a colon before its first slash looks like
 * an address ('localhost:6379', 'redis:/host'): they are refused. A directory named after a server that nobody reached
 * would take in what was meant for that server.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StreamError } from './errors.ts'

export type ConnectTarget =
  | { readonly kind: 'memory' }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'redis'; readonly urls: readonly string[] }

const SHOWN_MAX = 100

/** Rejects with `BAD_ARGUMENT` what could be meant otherwise than it is written. */
export function readTarget(target: string | readonly string[] | undefined): ConnectTarget {
  if (target === undefined) return { kind: 'memory' }
  const texts = typeof target === 'string' ? target.split(',') : target
  const urls = texts.map((one) => one.trim()).filter((one) => one !== '')
  if (urls.length === 0) throw unexpected('an empty one')
  if (typeof target !== 'string' || /^rediss?:\/\//i.test(urls[0]!)) return { kind: 'redis', urls }
  return { kind: 'directory', path: resolve(pathOf(target)) }
}

function pathOf(target: string): string {
  if (/^file:/i.test(target)) return filePath(target)
  const shown = shownText(target)
  if (/^~(?:\/|$)/.test(target)) throw unexpected(`${shown}: '~' is the shell's word, write the path in full`)
  if (target.includes('\0')) throw unexpected('one with a zero byte in it')
  const isDrive = process.platform === 'win32' && /^[a-z]:[\\/]/i.test(target)
  if (!isDrive && /^[^/\\]*:/.test(target)) {
    const scheme = /^rediss?:/i.exec(target)?.[0].toLowerCase()
    const isServer = scheme !== undefined || /:\d+(?:\/|$)/.test(target)
    const rest = target.slice(scheme?.length ?? 0).replace(/^\/+/, '')
    const meant = isServer ? ` (a server: ${shownText(`${scheme ?? 'redis:'}//${rest}`)})` : ''
    throw unexpected(`${shown}${meant}`)
  }
  if (/^\.|[/\\]/.test(target)) return target
  const word = target.slice(0, SHOWN_MAX)
  throw unexpected(`${shown} (a directory: './${word}'; a server: 'redis://${word}')`)
}

function filePath(target: string): string {
  const isUrl = /^file:\/\//i.test(target)
  try {
    const path = isUrl ? fileURLToPath(target) : target.slice('file:'.length)
    if (path !== '' && !path.includes('\0')) return path
  } catch (cause) {
    throw unexpected(`${shownText(target)}: ${(cause as Error).message}`, cause)
  }
  throw unexpected(`${shownText(target)}, which names no path`)
}

function unexpected(came: string, cause?: unknown): StreamError {
  return new StreamError(
    'BAD_ARGUMENT',
    `Expected redis://host:port, a directory such as './data' or 'file:///var/data', or nothing for memory, got ${came}`,
    cause === undefined ? undefined : { cause },
  )
}

/** As it came, but for a password. */
function shownText(text: string): string {
  return `'${text.replace(/^([a-z]+:\/*)?.*@/is, '$1…@').slice(0, SHOWN_MAX)}'`
}
