/**
 * Who holds a directory: the record that a holder leaves in it, and whether that holder still lives.
 *
 *   lock                 one line of JSON (`Holder`); its time of last change is the holder's sign of life
 *   lock.after-TOKEN     the record of who took over from the dead holder TOKEN (node-lock.ts)
 *
 *   the holder's process can be looked at  ──► runs: held       ended, or its number is another's now: gone
 *   its machine can, its process cannot    ──► its socket answers: held            refuses: gone
 *   neither                                ──► a sign of life within 30 s: held    else: gone
 *
 * The order matters: a process number means nothing in another PID namespace, a boot ID of another machine says nothing
 * about whether that machine runs. What cannot be decided otherwise is left to the sign of life.
 */

export interface DirectoryLock {
  /** Whether the directory is still this holder's: false when the lock file was removed, or another has taken over. */
  isHeld(): boolean
  /** Lets the directory go; a second call does nothing. */
  release(): Promise<void>
}

export interface Holder {
  /** Random: one for each time that a directory is opened. */
  readonly token: string
  readonly pid: number
  /** When the process began, in the kernel's ticks since the machine started; '' where that cannot be known. */
  readonly processStart: string
  /** Which PID numbers its `pid` is one of; '' where there is only one kind. */
  readonly pidNamespace: string
  /** Which abstract socket names its `abstractName` is one of. */
  readonly networkNamespace: string
  /** Of this run of the machine; '' where that cannot be known. */
  readonly boot: string
  readonly host: string
  readonly since: string
  /** The abstract socket that it listens on while it holds the directory; '' for none. */
  readonly abstractName: string
  /** The inode of the socket file that it listens on; '' for none. */
  readonly socketInode: string
}

/** What can be found out about a holder from where one is. */
export interface Viewer {
  readonly self: Holder
  /** When this machine started, by the clock that tells when files changed. */
  readonly bootedMs: number
  readonly nowMs: number
  /** How a process of this machine and PID namespace is: 'runs' only if it began when the holder says. */
  processState(holder: Holder): 'runs' | 'unknown' | 'gone'
  /** Whether somebody listens on the socket file that the holder made. */
  socketState(holder: Holder): Promise<'listens' | 'unknown' | 'refuses'>
}

/** A holder without a sign of life for so long is gone, if nothing else tells. */
export const LIFE_SIGN_MS_MAX = 30_000

const FIELDS = [
  'token',
  'processStart',
  'pidNamespace',
  'networkNamespace',
  'boot',
  'host',
  'since',
  'abstractName',
  'socketInode',
] as const

export function holderText(holder: Holder): string {
  return `${JSON.stringify(holder)}\n`
}

/** The holder that a lock file tells of, or `undefined` if it tells of none. */
export function readHolder(text: string): Holder | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined // half written, or somebody else's file
  }
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Record<string, unknown>
  if (!Number.isSafeInteger(fields['pid']) || (fields['pid'] as number) <= 0) return undefined
  if (!FIELDS.every((name) => typeof fields[name] === 'string')) return undefined
  // It becomes part of a file's name.
  return /^[0-9a-f]{32}$/.test(fields['token'] as string) ? (value as Holder) : undefined
}

/** Whether a holder lives. `undefined` stands for a record that cannot be read. */
export async function isAlive(holder: Holder | undefined, lifeSignMs: number, viewer: Viewer): Promise<boolean> {
  const { self } = viewer
  const hasSign = viewer.nowMs - lifeSignMs <= LIFE_SIGN_MS_MAX
  if (holder === undefined) return hasSign && lifeSignMs >= viewer.bootedMs
  const isHere = holder.boot === self.boot && (self.boot !== '' || holder.host === self.host)
  if (isHere) return await isAliveHere(holder, hasSign, viewer)
  // A holder of this machine before it was started anew; unless another machine bears its name: that one's signs go on.
  if (holder.host === self.host && lifeSignMs < viewer.bootedMs) return false
  return hasSign
}

async function isAliveHere(holder: Holder, hasSign: boolean, viewer: Viewer): Promise<boolean> {
  const { self } = viewer
  // Whoever asks has this very name by now: the kernel gives it to one at a time.
  const isSameName = holder.abstractName !== '' && holder.abstractName === self.abstractName
  if (isSameName && holder.networkNamespace === self.networkNamespace) return false
  if (holder.pidNamespace === self.pidNamespace) {
    const state = viewer.processState(holder)
    if (state !== 'unknown') return state === 'runs'
  }
  const state = await viewer.socketState(holder)
  return state === 'unknown' ? hasSign : state === 'listens'
}

/** The message of an EngineError `LOCKED`. `command` is the holder's command line, '' where it cannot be read. */
export function lockedMessage(directory: string, holder: Holder | undefined, self: Holder, command: string): string {
  const place = `The directory '${directory}' is open already`
  if (holder === undefined) return `${place}: by a process that has not said yet who it is`
  const isSelf = holder.pid === self.pid && holder.processStart === self.processStart && holder.boot === self.boot
  const who = isSelf ? `this process (${holder.pid})` : `process ${holder.pid}`
  const what = command === '' ? '' : `: ${command}`
  return `${place}: by ${who} on '${holder.host}', since ${holder.since}${what}`
}

/**
 * The part of a command line that names a program: up to the first option behind the program and its script. What
 * follows may be a secret.
 */
export function commandName(words: readonly string[]): string {
  const named: string[] = []
  for (const word of words) {
    if (!word.startsWith('-')) named.push(word)
    else if (named.length >= 2) break
  }
  return named.join(' ').slice(0, 200)
}
