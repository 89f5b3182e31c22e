/** Random schedules until so many are played; the first difference is shrunk, step by step, and reported. */
import { quoted, type Ports } from './differential.ts'
import { Random } from './differential-random.ts'
import { schedule } from './differential-schedule-grammar.ts'
import { Stage, type ScheduleDifference } from './differential-schedules.ts'
import type { Step } from './differential-step.ts'

export interface ScheduleOptions {
  readonly ports: Ports
  readonly seed: number
  readonly schedules: number
  /** Ends when so many differences were found. Default 1. */
  readonly differencesMax?: number
}

export interface ScheduleResult {
  readonly played: number
  readonly differences: readonly string[]
  readonly hits: ReadonlyMap<string, number>
}

export async function runSchedules(options: ScheduleOptions): Promise<ScheduleResult> {
  const { ports, seed, schedules, differencesMax = 1 } = options
  const differences = new Map<string, string>()
  const hits = new Map<string, number>()
  const stages = [await Stage.open(ports, 2, hits), await Stage.open(ports, 3, hits)]
  let played = 0
  try {
    for (; played < schedules && differences.size < differencesMax; played++) {
      const stage = stages[played % 2]!
      const steps = schedule(new Random((seed + played) | 0))
      const found = await stage.play(steps)
      if (found === undefined || differences.has(signature(found))) continue
      const fewer = await shrinkSchedule(stage, steps.slice(0, found.step + 1), found)
      const last = (await stage.play(fewer)) ?? found
      differences.set(signature(found), report(`seed ${seed + played}, RESP${2 + (played % 2)}`, fewer, last))
    }
  } finally {
    for (const stage of stages) stage.close()
  }
  return { played, differences: [...differences.values()], hits }
}

async function shrinkSchedule(stage: Stage, steps: readonly Step[], first: ScheduleDifference): Promise<Step[]> {
  let kept = [...steps]
  for (let i = kept.length - 1; i >= 0; i--) {
    const fewer = kept.filter((_, at) => at !== i)
    const found = await stage.play(fewer)
    if (found !== undefined && signature(found) === signature(first)) kept = fewer
  }
  return kept
}

function signature({ what, ours, theirs }: ScheduleDifference): string {
  const short = (reply: string): string => (reply.startsWith('-') ? reply : reply.slice(0, 1))
  return [what.split(' ')[0], short(ours), short(theirs)].join(' ')
}

function report(title: string, steps: readonly Step[], found: ScheduleDifference): string {
  const lines = steps.map((step) => {
    if (step.kind !== 'close') return `  ${step.connection}: ${step.args.map(quoted).join(' ')}`
    return `  ${step.connection}: (close)`
  })
  const outcome = `  ${found.what}\n    ours:   ${quoted(found.ours)}\n    theirs: ${quoted(found.theirs)}`
  return [title, ...lines, outcome].join('\n')
}
