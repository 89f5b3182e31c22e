/** The keys that a request is said to have are those that its command touches. */
import { Request } from '@millrace/protocol'
import type { Change, CrossChange, Database } from '@millrace/engine'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Wire } from './differential-wire.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { commandOf } from './inner-request.ts'
import { keysOf } from './key-extraction.ts'
import { HandClock } from './testing/hand-clock.ts'
import { Site } from './testing/site.ts'

const seed = seedOfRun()
const runs = Number(process.env['MILLRACE_RUNS'] ?? 40)
console.log(`key extraction: MILLRACE_SEED=${seed}`)

let site: Site
let wire: Wire
const touched = new Set<string>()

beforeAll(async () => {
  // A clock that stands: what the server does by itself in time touches keys, too.
  site = await Site.start({ env: new HandClock() })
  wire = await site.client()
  for (let index = 0; index < 16; index++) spy(site.server.state.databases.at(index))
})
afterAll(async () => await site.close())
beforeEach(async () => {
  await wire.ask('FLUSHALL')
  await wire.ask('XADD', 's', '1-1', 'f', 'v')
  await wire.ask('XGROUP', 'CREATE', 's', 'g', '0')
  await wire.ask('XGROUP', 'CREATE', 's', 'STREAMS', '0')
  await wire.ask('XADD', 's2', '1-1', 'f', 'v')
  await wire.ask('SET', 'k', '5')
})

/** Records each key that is asked for or changed. */
function spy(database: Database): void {
  const methods = ['find', 'require', 'createStream', 'streamAt', 'value', 'peek', 'expiresAtMs', 'watch'] as const
  for (const name of methods) {
    const inner: (...args: never[]) => unknown = database[name].bind(database)
    Object.assign(database, {
      [name](...args: never[]) {
        touched.add(args[0]! as string)
        return inner(...args)
      },
    })
  }
  database.subscribe((change: Change) => changed(change))
  database.subscribeCross((change: CrossChange) => changed(change))
}

function changed(change: Change | CrossChange): void {
  if ('key' in change) touched.add(change.key)
  if ('to' in change && typeof change.to === 'string') touched.add(change.to)
}

async function touchedBy(args: readonly string[]): Promise<string[]> {
  touched.clear()
  await wire.ask(...args)
  return [...touched].sort()
}

function extracted(args: readonly string[]): string[] {
  const request = Request.of(args)
  const command = commandOf(site.server.state.commands, request)!
  return [...new Set((keysOf(command, request) ?? []).map(({ index }) => request.text(index)))].sort()
}

/** A request for each command with keys that gets as far as its keys. */
const examples = `
XADD s * a b | XADD n NOMKSTREAM MAXLEN ~ 5 * a b | XLEN s | XRANGE s - + | XREVRANGE s + - | XDEL s 1-1 | XTRIM s MAXLEN 0
XSETID s 5-5 | XREAD COUNT 1 STREAMS s s2 0 0 | XREAD STREAMS s 0 | XREADGROUP GROUP g c COUNT 5 NOACK STREAMS s >
XREADGROUP COUNT 5 GROUP STREAMS c STREAMS s > | XREADGROUP GROUP STREAMS STREAMS STREAMS s >
XACK s g 1-1 | XPENDING s g | XCLAIM s g c 0 1-1 | XAUTOCLAIM s g c 0 0 | XGROUP CREATE s h 0 | XGROUP SETID s g 0
XGROUP CREATECONSUMER s g c | XGROUP DELCONSUMER s g c | XGROUP DESTROY s g | XINFO STREAM s | XINFO GROUPS s
XINFO CONSUMERS s g | XDELEX s KEEPREF IDS 1 1-1 | XACKDEL s g DELREF IDS 1 1-1 | XNACK s g FAIL IDS 1 1-1
XCFGSET s IDMP-DURATION 5 | XIDMPRECORD s p i 1-1
SET k v | SET k v GET | GET k | GETDEL k | GETEX k | GETSET k v | SETNX k v | SETEX k 5 v | PSETEX k 5 v | APPEND k v
STRLEN k | GETRANGE k 0 1 | SUBSTR k 0 1 | SETRANGE k 0 v | INCR k | DECR k | INCRBY k 1 | DECRBY k 1 | INCRBYFLOAT k 1
MGET k n | MSET k v n v | MSETNX n v m v
DEL k n | UNLINK k n | EXISTS k n | TOUCH k n | TYPE k | TTL k | PTTL k | EXPIRETIME k | PEXPIRETIME k | EXPIRE k 5
PEXPIRE k 5 | EXPIREAT k 9999999999 | PEXPIREAT k 9999999999999 | PERSIST k | RENAME k n | RENAMENX k n | COPY k n
COPY k n DB 3 REPLACE | MOVE k 3 | OBJECT ENCODING k | OBJECT IDLETIME k | OBJECT REFCOUNT k | OBJECT FREQ k
MEMORY USAGE k | WATCH k n | DUMP k | RESTORE k 0 payload | RESTORE k 0 payload REPLACE
`
  .split(/[|\n]/)
  .map((line) => line.trim().split(' '))
  .filter((words) => words.length > 1)

/** They have key specs, but are refused, or answered, before they look at their keys. */
const withoutTouch = new Set(['eval', 'eval_ro', 'evalsha', 'evalsha_ro'])

it.each(examples)('%s %s %s %s', async (...args: string[]) => {
  const request = Request.of(args)
  const wanted = withoutTouch.has(commandOf(site.server.state.commands, request)!.name) ? [] : extracted(args)
  expect(await touchedBy(args)).toEqual(wanted)
})

it('every command with keys has an example', () => {
  const { commands } = site.server.state
  const shown = new Set(examples.map((args) => commandOf(commands, Request.of(args))!.name))
  const missing: string[] = []
  for (const { command } of commands.entries()) {
    const isKeyed = command.keys.some((spec) => !spec.uses.includes('not_key'))
    if (isKeyed && !shown.has(command.name) && !withoutTouch.has(command.name)) missing.push(command.name)
  }
  expect(missing).toEqual([])
})

it('no request touches a key that is not told, however its words are mixed', async () => {
  const random = new Random(seed)
  const words = [
    'STREAMS',
    'streams',
    'GROUP',
    'COUNT',
    'NOACK',
    'CLAIM',
    'MAXCOUNT',
    'GET',
    'DB',
    'REPLACE',
    '1',
    '0',
    '>',
    'g',
  ]
  const names = ['s', 's2', 'k', 'n', 'STREAMS', 'GROUP', 'COUNT']
  for (let run = 0; run < runs; run++) {
    for (const example of examples) {
      const args = [...example]
      const changes = 1 + random.below(3)
      for (let i = 0; i < changes; i++) {
        const at = 1 + random.below(args.length)
        if (random.chance(0.3)) args.splice(at, 1)
        else args.splice(at, random.chance(0.5) ? 1 : 0, random.pick(random.chance(0.5) ? words : names))
      }
      const command = commandOf(site.server.state.commands, Request.of(args))
      if (command === undefined || command.keys.length === 0) continue
      const said = extracted(args)
      const untold = (await touchedBy(args)).filter((key) => !said.includes(key))
      expect({ seed, args, untold }).toEqual({ seed, args, untold: [] })
    }
  }
})
