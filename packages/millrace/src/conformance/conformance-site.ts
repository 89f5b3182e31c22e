/** What a conformance case is, and what it works with: a backend, fresh names, and a few words to check with. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Backend, DeliveredEntry, EntryId, GroupPosition, ReadResult } from '../backend.ts'
import { StreamError, type StreamErrorCode } from '../errors.ts'

export interface Case {
  /** A sentence about behaviour, unique in the suite. */
  readonly name: string
  readonly run: (site: Site) => Promise<void>
  /** Works on a key that is no stream. */
  readonly needsForeignKey?: boolean
}

/** What a Backend does not offer and some cases need. */
export interface Probes {
  /** Makes a key that is no stream where the backend looks; without it the cases about WRONG_TYPE are left out. */
  readonly makeForeignKey?: (key: string) => Promise<void>
  /** How many reads wait at the server. Without it a read counts as waiting after a few turns of the event loop. */
  readonly waitingReads?: () => Promise<number>
}

export const MAX = '18446744073709551615'
/** How long a blocked read waits in cases that expect an entry. */
export const LONG_MS = 10_000

export class Site {
  readonly backend: Backend
  /** A stream that does not exist. */
  readonly stream: string
  /** Another backend of the same kind, for cases that close it. */
  readonly create: () => Promise<Backend>
  readonly #prefix = `conformance:${randomBytes(6).toString('hex')}`
  readonly #probes: Probes
  #names = 0

  constructor(backend: Backend, create: () => Promise<Backend>, probes: Probes) {
    this.backend = backend
    this.create = create
    this.#probes = probes
    this.stream = this.name()
  }

  /** The name of one more stream that does not exist; on a Cluster in a slot of its own. */
  name(): string {
    return `${this.#prefix}:${++this.#names}`
  }

  /** The name of a key that holds a string. */
  async foreignKey(): Promise<string> {
    const name = this.name()
    assert.ok(this.#probes.makeForeignKey, 'a case about foreign keys was registered without makeForeignKey')
    await this.#probes.makeForeignKey(name)
    return name
  }

  /** Appends one field `n` under each given ID. */
  async fill(...ids: string[]): Promise<void> {
    for (const id of ids) await this.backend.add(this.stream, ['n', id], { id })
  }

  /** A stream with these entries and a group `g` that begins at `0-0`. */
  async group(...ids: string[]): Promise<void> {
    await this.fill(...ids)
    await this.backend.createGroup(this.stream, 'g')
  }

  /** What `consumer` of `g` is given now. */
  async deliver(consumer: string, count = 100, position: GroupPosition = '>'): Promise<readonly DeliveredEntry[]> {
    const found = await this.backend.readGroup({ group: 'g', consumer }, new Map([[this.stream, position]]), { count })
    return found.get(this.stream) ?? []
  }

  /** Resolves when `count` reads are waiting at the server. */
  async untilWaiting(count = 1): Promise<void> {
    const { waitingReads } = this.#probes
    if (waitingReads === undefined) await turns()
    else await until(`${count} reads to wait`, async () => (await waitingReads()) >= count)
  }

  /** Resolves when no read of an earlier case is still waiting at the server. */
  async untilQuiet(): Promise<void> {
    const { waitingReads } = this.#probes
    if (waitingReads !== undefined) await until('earlier reads to end', async () => (await waitingReads()) === 0)
  }
}

export function id(text: string): EntryId {
  return text as EntryId
}

export function ids(entries: Iterable<{ readonly id: EntryId }> | undefined): string[] {
  return [...(entries ?? [])].map((entry) => entry.id)
}

export function texts(fields: readonly Uint8Array[] | undefined): string[] | undefined {
  return fields?.map((value) => Buffer.from(value).toString())
}

/** The IDs found in each stream, by name. */
export function found(result: ReadResult<DeliveredEntry>): Record<string, string[]> {
  return Object.fromEntries([...result].map(([stream, entries]) => [stream, ids(entries)]))
}

/** Rejects with a StreamError of that code whose message says something. */
export async function rejects(code: StreamErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof StreamError, `expected a StreamError ${code}, got ${String(error)}`)
    assert.equal(error.code, code, error.message)
    assert.ok(error.message.length > 10, 'an error message says what was expected and what came')
    return true
  })
}

/** Waits for a condition that has no event, for at most ten seconds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited ten seconds for ${what}, in vain`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Is it still unsettled after some turns of the event loop? */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const first = await Promise.race([
    promise.then(
      () => 'settled',
      () => 'settled',
    ),
    turns().then(() => 'later'),
  ])
  return first === 'later'
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}
