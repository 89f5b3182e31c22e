/**
 * ACL rests on the keys that are told of a request: under hostile arguments, every key that a command looks at is one of them,
 * and every key that it changes one that it may write.
 *
 *   request ──► keysOf ──► told          command ──► Database, watched ──► touched
 *                            └──────────── touched ⊆ told ────────────────────┘
 *
 * MILLRACE_RUNS sets how many (40 commands for each run), MILLRACE_SEED repeats a run.
 */
import type { Change, CrossChange, Database } from '@millrace/engine'
import { Request } from '@millrace/protocol'
import { afterEach, expect, it } from 'vitest'
import type { CommandEntry } from '../command-entry.ts'
import type { CommandTable } from '../command-table.ts'
import { Random, seedOfRun } from '../differential-random.ts'
import { encode } from '../differential-wire.ts'
import { keysOf } from '../key-extraction.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'
import { HostileCommands, isTame } from './hostile-commands.ts'
import { Plug } from './plug.ts'

const COMMANDS = Number(process.env['MILLRACE_RUNS'] ?? 2000) * 40
const seed = seedOfRun()

let site: Site | undefined
afterEach(async () => await site?.close())

/** What a database is asked by a key's name. */
const byName = [
  'find',
  'require',
  'createStream',
  'streamAt',
  'value',
  'peek',
  'expiresAtMs',
  'watch',
  'giveKey',
] as const
/** As Redis: to read on behalf of a group needs leave to read only, though it changes what the group remembers. */
const readers = new Set(['xreadgroup'])
/** These look at whatever there is: no key is named by them. EXEC runs others. */
const walkers = new Set([
  'keys',
  'scan',
  'randomkey',
  'swapdb',
  'flushdb',
  'flushall',
  'dbsize',
  'exec',
  'reset',
  'discard',
  'multi',
  'unwatch',
  'info',
])

function watch(database: Database, touched: Set<string>): void {
  for (const name of byName) {
    const original = (database[name] as (key: string, ...rest: unknown[]) => unknown).bind(database)
    Object.assign(database, {
      [name](key: string, ...rest: unknown[]) {
        touched.add(key)
        return original(key, ...rest)
      },
    })
  }
}

function changedKeys(change: Change | CrossChange): string[] {
  switch (change.kind) {
    case 'databases-swapped':
    case 'flushed':
      return []
    // Time passes whoever looks: as with a key that expires.
    case 'iids-expired':
      return []
    case 'key-copied':
      return [change.toKey]
    case 'key-renamed':
      return [change.key, change.to]
    case 'key-removed':
      return change.reason === 'expired' ? [] : [change.key]
    default:
      return [change.key]
  }
}

function entryOf(table: CommandTable, args: readonly string[]): CommandEntry | undefined {
  const entry = table.entryOf(Request.of(args))
  if (entry?.subcommands === undefined || args.length === 1) return entry
  return entry.subcommands.get(`${entry.command.name}|${args[1]!.toLowerCase()}`) ?? entry
}

it(
  `CVE-2023-36824, CVE-2023-41053: touches no key that key extraction does not tell, in ${COMMANDS} commands (seed ${seed})`,
  { timeout: 60_000 + COMMANDS * 3 },
  async () => {
    const clock = new HandClock()
    site = await Site.start({ env: clock, settings: { slowsGuesses: false } })
    const { state } = site.server
    const touched = new Set<string>()
    const changed = new Set<string>()
    for (let index = 0; index < 16; index++) watch(state.databases.at(index), touched)
    state.databases.subscribe((_, change) => changedKeys(change).forEach((key) => changed.add(key)))
    const grammar = new HostileCommands(
      new Random(seed),
      state.commands,
      (command) => isTame(command) && !walkers.has(command.name),
    )
    let plug = await Plug.into(state)
    let busy = 0
    for (let i = 0; i < COMMANDS; i++) {
      const args = grammar.next()
      if (['MULTI', 'EXEC', 'DISCARD'].includes(args[0]!.toUpperCase())) continue
      touched.clear()
      changed.clear()
      plug.put(encode(args))
      if (plug.connection.client.isWaiting || plug.isEnded || plug.connection.client.source !== undefined) {
        // A blocked reader tries again on its own; a fresh client goes on.
        plug.pull()
        plug = await Plug.into(state)
      }
      const entry = entryOf(state.commands, args)
      if (entry === undefined || walkers.has(entry.command.name)) continue
      const request = Request.of(args)
      const told = keysOf(entry.command, request) ?? []
      const names = new Set(told.map(({ index }) => request.text(index)))
      const writable = told.filter(({ uses }) =>
        uses.some((use) => use === 'insert' || use === 'delete' || use === 'update'),
      )
      const writeNames = new Set(writable.map(({ index }) => request.text(index)))
      const command = `seed ${seed}, command ${i}: ${JSON.stringify(args).slice(0, 500)}`
      for (const key of touched)
        if (!names.has(key)) expect.fail(`${command} looks at ${JSON.stringify(key)}, which is not told`)
      if (readers.has(entry.command.name)) changed.clear()
      for (const key of changed)
        if (!writeNames.has(key)) expect.fail(`${command} changes ${JSON.stringify(key)}, which is told as only read`)
      if (touched.size > 0) busy++
      if (i % 100 === 0) clock.advance(50)
    }
    expect(busy).toBeGreaterThan(COMMANDS / 10)
  },
)
