/** LATENCY: events that took long (latency.ts), and how long commands take. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { latencyGraph, latencyReport } from '../latency.ts'
import type { Histogram } from '../statistics.ts'
import { helpLines, replyHelp } from './help.ts'

const latencyHelp = helpLines(`
DOCTOR
    Return a human readable latency analysis report.
GRAPH <event>
    Return an ASCII latency graph for the <event> class.
HISTORY <event>
    Return time-latency samples for the <event> class.
LATEST
    Return the latest latency samples for all events.
RESET [<event> ...]
    Reset latency data of one or more <event> classes.
    (default: reset all data for all event classes)
HISTOGRAM [COMMAND ...]
    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.
    If no commands are specified then all histograms are replied.
`)

export const latencyCommands: readonly Command[] = [
  {
    name: 'latency',
    summary: 'A container for latency diagnostics commands.',
    since: '2.8.13',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'latency|doctor',
        summary: 'Return a human readable latency analysis report.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
        differs: 'The report is worded differently.',
        run: doctor,
      },
      {
        name: 'latency|graph',
        summary: 'Return a latency graph for the event.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
        arguments: [{ name: 'event', type: 'string' }],
        differs: 'The graph may choose other heights.',
        run: graph,
      },
      {
        name: 'latency|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => replyHelp(client.reply, 'LATENCY', latencyHelp),
      },
      {
        name: 'latency|histogram',
        summary: 'Return the cumulative distribution of latencies of a subset of commands or all.',
        since: '7.0.0',
        complexity: 'O(N) where N is the number of commands with latency information being retrieved.',
        group: 'server',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
        arguments: [{ name: 'command', type: 'string', isOptional: true, isMultiple: true }],
        differs: 'Fast commands are timed one call in a few, and each timed one stands for all of those.',
        run: histogram,
      },
      {
        name: 'latency|history',
        summary: 'Return timestamp-latency samples for the event.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
        arguments: [{ name: 'event', type: 'string' }],
        run: history,
      },
      {
        name: 'latency|latest',
        summary: 'Return the latest latency samples for all events.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'],
        run: latest,
      },
      {
        name: 'latency|reset',
        summary: 'Reset latency data for one or more events.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [{ name: 'event', type: 'string', isOptional: true, isMultiple: true }],
        run: reset,
      },
    ],
  },
]

function latest({ server, reply }: Client): void {
  const { events } = server.statistics.latency
  reply.array(events.size)
  for (const [name, { samples, msMax }] of events) {
    const last = samples.at(-1)!
    reply.array(4)
    reply.bulkText(name)
    reply.integer(last.atSeconds)
    reply.integer(last.ms)
    reply.integer(msMax)
  }
}

function history({ server, reply }: Client, request: Request): void {
  const samples = server.statistics.latency.events.get(request.text(2))?.samples ?? []
  reply.array(samples.length)
  for (const { atSeconds, ms } of samples) {
    reply.array(2)
    reply.integer(atSeconds)
    reply.integer(ms)
  }
}

function graph({ server, reply, nowMs }: Client, request: Request): void {
  const name = request.text(2)
  const event = server.statistics.latency.events.get(name)
  if (event === undefined) throw new ReplyError(`ERR No samples available for event '${name.slice(0, 128)}'`)
  reply.verbatim('txt', latencyGraph(name, event, nowMs))
}

function doctor({ server, reply }: Client): void {
  const { latency, latencyMsMin, slowLogUsMin } = server.statistics
  reply.verbatim('txt', latencyReport(latency, latencyMsMin, slowLogUsMin))
}

function reset({ server, reply }: Client, request: Request): void {
  const { latency } = server.statistics
  let count = 0
  if (request.count === 2) for (const name of latency.events.keys()) count += latency.reset(name) ? 1 : 0
  for (let i = 2; i < request.count; i++) if (latency.reset(request.text(i))) count++
  reply.integer(count)
}

function histogram({ server, reply }: Client, request: Request): void {
  const { histograms } = server.statistics
  const told = new Map<string, Histogram>()
  const tell = (command: Command): void => {
    const known = histograms.get(command)
    if (known !== undefined) told.set(command.name, known)
    for (const child of command.subcommands ?? []) tell(child)
  }
  if (request.count === 2) for (const command of server.commands.all) tell(command)
  for (let i = 2; i < request.count; i++) {
    const command = server.commands.get(request.text(i).toLowerCase())
    if (command !== undefined) tell(command)
  }
  reply.map(told.size)
  for (const [name, one] of told) {
    const doublings = one.doublings()
    reply.bulkText(name)
    reply.map(2)
    reply.bulkText('calls')
    reply.integer(one.total)
    reply.bulkText('histogram_usec')
    reply.map(doublings.length)
    for (const { us, calls } of doublings) {
      reply.integer(us)
      reply.integer(calls)
    }
  }
}
