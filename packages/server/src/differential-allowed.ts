/**
 * The differences to redis-server 7.0.15 that we mean: what, why, where it is written, and how narrowly it is recognised.
 * The suite fails when there are more than ten, and when the example of one shows no difference any more.
 */
import type { Tree } from './differential-tree.ts'

export interface Exchange {
  readonly args: readonly string[]
  readonly ours: Tree
  readonly theirs: Tree
}

export interface AllowedDifference {
  readonly name: string
  readonly what: string
  readonly why: string
  /** Where it is documented or discussed. */
  readonly reference: string
  /** Commands whose last one, or one of whose last replies, shows it. */
  readonly example: readonly (readonly string[])[]
  /** Whether this is what these replies differ by, and nothing else. */
  readonly explains: (exchange: Exchange) => boolean
}

export const allowedDifferences: readonly AllowedDifference[] = [
  {
    name: 'order of a hash table',
    what: 'SCAN and KEYS tell the keys, and COMMAND INFO the subcommands of a container, in another order',
    why: 'It is the order of a hash table with a random seed: two processes of redis-server differ by it, too.',
    reference: 'https://redis.io/docs/latest/commands/scan/ (guarantees)',
    example: [
      ['MSET', ...Array.from({ length: 200 }, (_, i) => [`key:${i}`, 'v']).flat()],
      ['KEYS', '*'],
    ],
    explains({ args, ours, theirs }) {
      const name = args[0]!.toLowerCase()
      if (name === 'keys') return isEqual(sorted(ours), sorted(theirs))
      if (name === 'scan') return isEqual(withSorted(ours, 2), withSorted(theirs, 2))
      return name === 'command' && isEqual(withSortedSubcommands(ours), withSortedSubcommands(theirs))
    },
  },
]

function isEqual(one: Tree, other: Tree): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function sorted(list: Tree): Tree {
  if (!Array.isArray(list)) return list
  return [...list].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
}

function withSorted(list: Tree, index: number): Tree {
  return Array.isArray(list) ? list.map((item, i) => (i === index ? sorted(item) : item)) : list
}

/** Of each command that COMMAND INFO tells, the tenth element. */
function withSortedSubcommands(list: Tree): Tree {
  return Array.isArray(list) ? list.map((command) => withSorted(command, 10)) : list
}
