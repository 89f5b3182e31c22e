/**
 * What follows from a command's flags: its ACL categories, and the flags that COMMAND tells beside those given.
 *
 *   flags     write, readonly, admin, pubsub, fast, blocking  ──►  @write @read @admin @dangerous @pubsub @fast @slow @blocking
 *   keys      not just a range at a fixed place               ──►  movablekeys
 */
import type { Command } from './command.ts'

/** All categories in the order in which Redis tells them. */
export const categoryNames = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const

const flagOrder = [
  'write',
  'readonly',
  'denyoom',
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading',
  'stale',
  'skip_monitor',
  'skip_slowlog',
  'asking',
  'fast',
  'no_auth',
  'may_replicate',
  'sentinel',
  'no_mandatory_keys',
  'no_async_loading',
  'no_multi',
  'movablekeys',
  'allow_busy',
] as const

/** A command's categories, without `@`, in Redis's order. */
export function categoriesOf(command: Command): string[] {
  const names = new Set<string>(command.categories)
  const { flags } = command
  if (flags.includes('write')) names.add('write')
  if (flags.includes('readonly') && !names.has('scripting')) names.add('read')
  if (flags.includes('admin')) names.add('admin').add('dangerous')
  if (flags.includes('pubsub')) names.add('pubsub')
  if (flags.includes('blocking')) names.add('blocking')
  names.add(flags.includes('fast') ? 'fast' : 'slow')
  return categoryNames.filter((name) => names.has(name))
}

/** A command's flags as COMMAND tells them. */
export function flagsOf(command: Command): string[] {
  const names = new Set<string>(command.flags)
  if (hasMovableKeys(command)) names.add('movablekeys')
  return flagOrder.filter((name) => names.has(name))
}

/** First key, last key and step, as they were told before there were key specs: all ranges at fixed places as one. */
export function legacyRange(command: Command): { firstKey: number; lastKey: number; keyStep: number } {
  let range = { firstKey: 0, lastKey: 0, keyStep: 0 }
  for (const { begin, find } of command.keys) {
    if (!('index' in begin) || !('lastKey' in find) || find.limit > 1) continue
    const lastKey = find.lastKey < 0 ? find.lastKey : begin.index + find.lastKey
    if (range.firstKey === 0) {
      range = { firstKey: begin.index, lastKey, keyStep: find.keyStep }
    } else if (begin.index === range.lastKey + 1) {
      range = { ...range, lastKey }
    }
  }
  return range
}

function hasMovableKeys(command: Command): boolean {
  return command.keys.some(
    ({ begin, find, uses }) => 'keyword' in begin || !('lastKey' in find) || uses.includes('incomplete'),
  )
}
