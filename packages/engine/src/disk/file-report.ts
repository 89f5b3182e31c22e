/** What a check (check.ts) says about one file. */
import type { EngineError } from '../errors.ts'

/** `torn`: cut short by a crash, which loses nothing. `newer`: of a format that this program does not know. */
export type FileState = 'whole' | 'torn' | 'damaged' | 'missing' | 'newer' | 'not looked into'

export interface FileReport {
  readonly name: string
  readonly kind: 'manifest' | 'durable' | 'snapshot' | 'journal' | 'other'
  /** Undefined: it is no file, or not there. */
  readonly bytes: number | undefined
  readonly state: FileState
  /** What it holds, or what is wrong; then what is lost, and what is behind. */
  readonly lines: readonly string[]
}

/** What a look at a file tells of it. */
export type Looked = Pick<FileReport, 'state' | 'lines'>

/** Of what no manifest names. */
export const LEFT_OVER = 'left over: part of nothing, goes at the next opening'

/** An error about a file, as what its line says. */
export function trouble(error: EngineError, path: string): Looked {
  const { code, message } = error
  const text = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message
  return { state: code === 'NEWER_FORMAT' ? 'newer' : 'damaged', lines: [text] }
}
