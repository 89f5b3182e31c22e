/** What memory is used for: MEMORY. */
import { keyMemoryBytes } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { helpLines, replyHelp } from './help.ts'

export const memoryCommands: readonly Command[] = [
  {
    name: 'memory',
    summary: 'A container for memory diagnostics commands.',
    since: '4.0.0',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'memory|purge',
        summary: 'Ask the allocator to release memory.',
        since: '4.0.0',
        complexity: 'Depends on how much memory is allocated, could be slow',
        group: 'server',
        arity: 2,
        flags: [],
        categories: [],
        keys: [],
        tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
        run: purge,
      },
      {
        name: 'memory|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: help,
      },
      {
        name: 'memory|malloc-stats',
        summary: 'Show allocator internal stats.',
        since: '4.0.0',
        complexity: 'Depends on how much memory is allocated, could be slow',
        group: 'server',
        arity: 2,
        flags: [],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: mallocStats,
      },
      {
        name: 'memory|doctor',
        summary: 'Outputs memory problems report.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: [],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: doctor,
      },
      {
        name: 'memory|usage',
        summary: 'Estimate the memory usage of a key.',
        since: '4.0.0',
        complexity: 'O(N) where N is the number of samples.',
        group: 'server',
        arity: -3,
        flags: ['readonly'],
        categories: [],
        keys: keyAt(2, 'RO'),
        arguments: [
          { name: 'key', type: 'key', keySpecIndex: 0 },
          { name: 'count', type: 'integer', token: 'SAMPLES', isOptional: true },
        ],
        run: usage,
      },
      {
        name: 'memory|stats',
        summary: 'Show memory usage details.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: [],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: stats,
      },
    ],
  },
]

/** SAMPLES is checked and has no effect: the account of a value is kept, not estimated. */
function usage({ database, nowMs, reply }: Client, request: Request): void {
  for (let i = 3; i < request.count; i += 2) {
    if (!request.is(i, 'SAMPLES') || i + 1 === request.count) throw new ReplyError(lines.syntax)
    const samples = request.integer(i + 1)
    if (samples === undefined) throw new ReplyError(lines.notInteger)
    if (samples < 0) throw new ReplyError(lines.syntax)
  }
  const bytes = keyMemoryBytes(database, request.text(2), nowMs)
  if (bytes === undefined) reply.null()
  else reply.integer(bytes)
}

function stats({ server, reply }: Client): void {
  const { heapUsed, external, rss } = process.memoryUsage()
  const used = heapUsed + external
  const dataset = server.databases.memoryBytes
  let keyCount = 0
  for (const [, database] of server.databases.made()) keyCount += database.keyCount
  const figures: readonly (readonly [name: string, bytes: number])[] = [
    ['total.allocated', used],
    ['overhead.total', Math.max(used - dataset, 0)],
    ['keys.count', keyCount],
    ['keys.bytes-per-key', keyCount === 0 ? 0 : Math.floor(dataset / keyCount)],
    ['dataset.bytes', dataset],
    ['allocator.allocated', used],
    ['allocator.resident', rss],
  ]
  reply.map(figures.length + 1)
  for (const [name, bytes] of figures) {
    reply.bulkText(name)
    reply.integer(bytes)
  }
  reply.bulkText('dataset.percentage')
  reply.double(String((dataset * 100) / used))
}

function doctor({ server, reply }: Client): void {
  const { heapUsed, external, rss } = process.memoryUsage()
  const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)
  reply.verbatim(
    'txt',
    `Data ${mib(server.databases.memoryBytes)} MiB, all objects ${mib(heapUsed + external)} MiB, process ${mib(rss)} MiB.`,
  )
}

function mallocStats({ reply }: Client): void {
  reply.verbatim('txt', 'Stats not supported for the current allocator')
}

/** Nothing to do: what is free goes back by itself. */
function purge({ reply }: Client): void {
  reply.ok()
}

function help({ reply }: Client): void {
  replyHelp(reply, 'MEMORY', HELP)
}

const HELP = helpLines(`
DOCTOR
    Return memory problems reports.
MALLOC-STATS
    Return internal statistics report from the memory allocator.
PURGE
    Attempt to purge dirty pages for reclamation by the allocator.
STATS
    Return information about the memory usage of the server.
USAGE <key> [SAMPLES <count>]
    Return memory in bytes used by <key> and its value. Nested values are
    sampled up to <count> times (default: 5, 0 means sample all).
`)
