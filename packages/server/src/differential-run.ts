/**
 * Random histories until so many commands are compared: rounds of a few thousand commands, each on empty servers, in
 * RESP2 and RESP3 and with nodes of different sizes in turn.
 *
 *   seed ──► round 1, 2, … each with a seed of its own ──difference──► shrunk and reported; the next round goes on
 *
 * A command that our server does not know is reported once and left out from then on, since all that follows would differ.
 */
import { firstDifference, History, PIPELINE, report, shrink } from './differential.ts'
import type { Difference, HistoryOptions, Ports } from './differential.ts'
import { Grammar, type Args } from './differential-grammar.ts'
import { Random } from './differential-random.ts'

export interface RunOptions {
  readonly ports: Ports
  readonly seed: number
  /** How many commands are compared. */
  readonly commands: number
  /** Ends when so many differences were found. Default 1. */
  readonly differencesMax?: number
}

export interface RunResult {
  readonly compared: number
  readonly differences: readonly string[]
  /** Commands that our server does not know. */
  readonly missing: readonly string[]
  /** How often each allowed difference was met. */
  readonly hits: ReadonlyMap<string, number>
}

const ROUND_COMMANDS = 3000
const nodeSizes: readonly (readonly [entries: number, bytes: number])[] = [
  [4, 4096],
  [3, 120],
  [100, 200],
  [100, 4096],
  [4, 0],
  [0, 64],
  [1, 4096],
]

export async function runHistories({ ports, seed, commands, differencesMax = 1 }: RunOptions): Promise<RunResult> {
  const missing = new Set<string>()
  const hits = new Map<string, number>()
  const differences = new Map<string, string>()
  let compared = 0
  let roundSeed = seed
  while (compared < commands && differences.size < differencesMax) {
    const options = roundOptions(roundSeed)
    const sent: Args[] = []
    const found = await playRound({ ports, options, seed: roundSeed, missing, hits, sent })
    compared += sent.length
    if (found !== undefined && isUnknown(found)) {
      missing.add(nameOf(found.args))
      continue
    }
    if (found !== undefined && !differences.has(signature(found))) {
      differences.set(signature(found), await explain(ports, options, { seed: roundSeed, sent, found }))
    }
    roundSeed = (roundSeed + 1) | 0
  }
  return { compared, differences: [...differences.values()], missing: [...missing], hits }
}

interface Round {
  readonly ports: Ports
  readonly options: HistoryOptions
  readonly seed: number
  readonly missing: ReadonlySet<string>
  readonly hits: Map<string, number>
  /** What was sent, for whoever shrinks it. */
  readonly sent: Args[]
}

async function playRound({ ports, options, seed, missing, hits, sent }: Round): Promise<Difference | undefined> {
  const grammar = new Grammar(new Random(seed))
  const history = await History.begin(ports, options, hits)
  try {
    while (sent.length < ROUND_COMMANDS) {
      const pipeline = nextPipeline(grammar, missing)
      const before = sent.length
      sent.push(...pipeline)
      const found = await history.run(pipeline)
      if (found !== undefined) return { ...found, index: found.index + before }
    }
    return undefined
  } finally {
    history.end()
  }
}

function nextPipeline(grammar: Grammar, missing: ReadonlySet<string>): Args[] {
  const pipeline: Args[] = []
  while (pipeline.length < PIPELINE) {
    for (const args of grammar.next()) if (!missing.has(nameOf(args))) pipeline.push(args)
  }
  return pipeline
}

function roundOptions(seed: number): HistoryOptions {
  const random = new Random(seed ^ 0x5bd1e995)
  const [nodeEntriesMax, nodeBytesMax] = random.pick(nodeSizes)
  return { protocol: random.chance(0.5) ? 3 : 2, nodeEntriesMax, nodeBytesMax }
}

interface Found {
  readonly seed: number
  readonly sent: readonly Args[]
  readonly found: Difference
}

async function explain(ports: Ports, options: HistoryOptions, { seed, sent, found }: Found): Promise<string> {
  const shorter = await shrink(ports, options, sent.slice(0, found.index + 1))
  const last = (await firstDifference(ports, options, shorter)) ?? found
  return report(`seed ${seed}, ${JSON.stringify(options)}`, shorter, last)
}

function isUnknown({ ours, theirs }: Difference): boolean {
  return /^-ERR unknown (?:sub)?command/.test(ours) && ours !== theirs
}

/** Differences with the same are taken for one. */
function signature({ args, ours, theirs }: Difference): string {
  return [nameOf(args), ours.startsWith('-') ? ours : ours[0], theirs.startsWith('-') ? theirs : theirs[0]].join(' ')
}

function nameOf(args: Args): string {
  return args[0]!.toLowerCase()
}
