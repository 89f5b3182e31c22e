/**
 * Damage of every kind, looked at and repaired: a check says what an opening says, and a repair saves a state that there was,
 * up to the first hole. Neither changes anything.
 */
import { expect, it } from 'vitest'
import { EngineError } from '../errors.ts'
import { Databases } from '../databases.ts'
import { Seeded } from '../seeded.ts'
import { checkDirectory, type CheckReport } from './check.ts'
import { FRAME_HEADER_BYTES, readFrameHeader } from './frame.ts'
import { SEGMENT_HEADER_BYTES } from './journal-file.ts'
import { writeDirectory } from './new-directory.ts'
import { recovering } from './recovery.ts'
import { salvaging, type Salvaged } from './repair.ts'
import { loadSnapshot } from './snapshot.ts'
import { stateText } from './state-text.ts'
import { CrashWorkload, DIRECTORY, recoverFrom } from './testing/crash-workload.ts'
import { ImageEditor } from './testing/image-editor.ts'
import { SimEnv } from './testing/sim-env.ts'
import { SECTOR_BYTES } from './testing/sim-file.ts'
import { SimFs } from './testing/sim-fs.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 20)
const DAMAGES = 60
/** Of files that were given up, and of one that was never used. */
const KEPT = [10, 289]

interface Image {
  readonly fs: SimFs
  /** The state after each group of the history. */
  readonly states: ReadonlyMap<number, string>
}

/** A directory that was used, left and opened again, some times. */
async function image(random: Seeded): Promise<Image> {
  const options = { segmentBytes: 1500, reserveBytes: 0, fillBytes: random.pick([0, 300]) }
  let workload = new CrashWorkload(new SimFs(), random, options)
  for (let lives = 1 + random.below(3); ; lives--) {
    await workload.open()
    await workload.run(5 + random.below(20))
    if (random.below(2) === 0) await meetFault(workload, random)
    if (random.below(2) === 0) await until(workload.env, workload.store!.close())
    else workload.store!.abandon()
    const fs = workload.fs.settled()
    if (lives === 1) return { fs, states: workload.states }
    workload = workload.afterCrash(fs, recoverFrom(fs).seq)
  }
}

/** A write or a sync fails, and the journal moves to another file. */
async function meetFault(workload: CrashWorkload, random: Seeded): Promise<void> {
  const { fs, env } = workload
  const matches = ({ path }: { readonly path: string }): boolean => path.includes('journal-')
  fs.inject({ kind: random.pick(['write', 'sync'] as const), matches, after: random.below(4), error: 'EIO' })
  await workload.run(5)
  fs.heal()
  await env.advance(60_000)
  await workload.run(5)
}

/** Moves the clock until something is done. */
async function until<T>(env: SimEnv, work: Promise<T>): Promise<T> {
  const state = { isOver: false }
  const watched = work.finally(() => (state.isOver = true))
  while (!state.isOver) await env.advance(10)
  return await watched
}

function contents(fs: SimFs): Map<string, string> {
  return new Map(
    fs.list(DIRECTORY).map((name) => [name, Buffer.from(fs.contents(`${DIRECTORY}/${name}`)).toString('latin1')]),
  )
}

function ending<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function check(fs: SimFs): CheckReport {
  return ending(checkDirectory(fs, DIRECTORY))
}

/** undefined: nothing can be saved, or it is for a newer program. */
function salvage(fs: SimFs): Salvaged | undefined {
  try {
    return ending(salvaging(fs, DIRECTORY))
  } catch (error) {
    if (error instanceof EngineError && ['CORRUPT', 'NEWER_FORMAT', 'UNAVAILABLE'].includes(error.code))
      return undefined
    throw error
  }
}

/** What an opening comes to: a state, or a refusal. */
function opened(fs: SimFs): string | EngineError {
  try {
    return recoverFrom(fs).text
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

/** One of the things that befall disks; says what it was. */
function damage(editor: ImageEditor, paths: readonly string[], random: Seeded): string {
  const path = random.pick(paths)
  const size = editor.read(path).length
  const at = random.below(Math.max(size, 1))
  const other = random.pick(paths)
  switch (random.below(6)) {
    case 0:
      editor.remove(path)
      return `${path} deleted`
    case 1:
      editor.truncate(path, at)
      return `${path} cut to ${at}`
    case 2:
      editor.double(path, other)
      return `${path} in the place of ${other}`
    case 3:
      editor.zeroSectors(path, Math.floor(at / SECTOR_BYTES))
      return `the sector at ${at} of ${path} zeroed`
    default:
      if (size > 0) editor.flipBit(path, at * 8 + random.below(8))
      return `a bit of byte ${at} of ${path} flipped`
  }
}

async function writtenAnew(env: SimEnv, databases: Databases): Promise<string> {
  env.fs.makeDirectory('/new')
  await until(env, writeDirectory(env, '/new', databases))
  const read = new Databases({ count: databases.count })
  ending(recovering(env.fs, '/new', read, loadSnapshot))
  return stateText(read)
}

async function checkDamage({ fs: whole, states }: Image, random: Seeded, seed: number): Promise<string> {
  const fs = whole.copy()
  const editor = new ImageEditor(fs)
  const paths = fs.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`)
  let what = `seed ${seed}`
  for (let i = 1 + random.below(2); i > 0; i--) {
    const there = paths.filter((path) => fs.list(DIRECTORY).includes(path.slice(DIRECTORY.length + 1)))
    what += `, ${damage(editor, there, random)}`
  }
  const before = contents(fs)
  const verdict = opened(fs)
  const { problem } = check(fs)
  expect(problem === undefined, what).toBe(typeof verdict === 'string')
  // A look has more databases than this opening, which refuses a number that was damaged before the checksum comes.
  const isNumber = typeof verdict !== 'string' && verdict.code === 'BAD_ARGUMENT'
  if (typeof verdict !== 'string' && !isNumber) expect(problem?.message, what).toBe(verdict.message)
  const saved = salvage(fs)
  expect(contents(fs), what).toEqual(before)
  if (saved === undefined) return 'nothing'
  const text = stateText(saved.databases)
  expect([...states.values()].includes(text), `${what}: another state was saved than there ever was`).toBe(true)
  if (typeof verdict === 'string') expect(text, what).toBe(verdict)
  expect(saved.problem?.message, what).toBe(problem?.message)
  if (random.below(8) === 0) expect(await writtenAnew(new SimEnv(fs, 1), saved.databases), what).toBe(text)
  return problem === undefined ? 'whole' : saved.basis
}

it(
  `checks as an opening does, and saves a state that there was, seed ${SEED}, ${RUNS} directories`,
  { timeout: 3_600_000 },
  async () => {
    const outcomes = new Map<string, number>()
    for (let run = 0; run < RUNS; run++) {
      const random = new Seeded(SEED + run)
      const whole = await image(random)
      for (let i = 0; i < DAMAGES; i++) {
        const outcome = await checkDamage(whole, random, SEED + run)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
    }
    expect([...outcomes.keys()].sort()).toEqual(['files', 'manifest', 'nothing', 'whole'])
  },
)

/** The files that only tell which others there are, and how far they go. */
const TELLING = [['manifest-0'], ['manifest-1'], ['manifest-0', 'manifest-1'], ['durable'], ['durable', 'manifest-1']]

it(
  `saves everything when the manifests are gone, seed ${SEED}, ${RUNS} directories`,
  { timeout: 3_600_000 },
  async () => {
    let overlaps = 0
    for (const seed of [...KEPT, ...Array.from({ length: RUNS }, (_none, run) => SEED + run)]) {
      const whole = await image(new Seeded(seed))
      const { text } = recoverFrom(whole.fs)
      for (const names of TELLING) {
        const fs = whole.fs.copy()
        for (const name of names) new ImageEditor(fs).remove(`${DIRECTORY}/${name}`)
        const what = `seed ${seed}, without ${names.join(', ')}`
        const saved = salvage(fs)!
        // Behind a snapshot whose segment has no frames nobody can tell whether the next one follows.
        if (saved.basis === 'files' && saved.frames === 0 && hasEmptyBegin(fs, saved)) continue
        expect(stateText(saved.databases), what).toBe(text)
        overlaps += overlapsOf(fs)
      }
    }
    if (RUNS >= 100) expect(overlaps).toBeGreaterThan(0)
  },
)

function hasEmptyBegin(fs: SimFs, { snapshot }: Salvaged): boolean {
  const path = `${DIRECTORY}/journal-${/\d+/.exec(snapshot!)![0]}`
  return frameEnds(fs.contents(path)).length === 0
}

/** How often a segment has frames that the next one has again. */
function overlapsOf(fs: SimFs): number {
  let overlaps = 0
  let last = 0
  for (const name of fs.list(DIRECTORY).filter((one) => one.startsWith('journal-'))) {
    const ends = frameEnds(fs.contents(`${DIRECTORY}/${name}`))
    if (ends.length > 0 && ends[0]!.seq <= last) overlaps++
    last = ends.at(-1)?.seq ?? last
  }
  return overlaps
}

/** Where the frames of a segment end, and whether the group does too. */
function frameEnds(bytes: Uint8Array): { readonly end: number; readonly seq: number; readonly isGroup: boolean }[] {
  const ends: { end: number; seq: number; isGroup: boolean }[] = []
  for (let at = SEGMENT_HEADER_BYTES; ;) {
    const header = readFrameHeader(bytes, at)
    if (header === undefined || header.seq === 0 || at + FRAME_HEADER_BYTES + header.payloadBytes > bytes.length)
      return ends
    at += FRAME_HEADER_BYTES + header.payloadBytes
    ends.push({ end: at, seq: header.seq, isGroup: !header.hasMore })
  }
}

it(`saves each group before a damaged one, and none behind it, seed ${SEED}`, { timeout: 600_000 }, async () => {
  const random = new Seeded(SEED)
  const workload = new CrashWorkload(new SimFs(), random, { segmentBytes: 1 << 20, reserveBytes: 0, fillBytes: 300 })
  await workload.open()
  while (workload.store!.journal.seq < 20) workload.turn()
  workload.fs.release()
  await workload.env.advance(1)
  workload.store!.abandon()
  const fs = workload.fs.settled()
  const path = `${DIRECTORY}/journal-000001`
  const ends = frameEnds(fs.contents(path))
  expect(ends).toHaveLength(20)
  let from = SEGMENT_HEADER_BYTES
  for (const [index, { end }] of ends.entries()) {
    for (let tries = 0; tries < 10; tries++) {
      const damaged = fs.copy()
      const at = from + random.below(end - from)
      new ImageEditor(damaged).flipBit(path, at * 8 + random.below(8))
      const last = ends.slice(0, index).findLast(({ isGroup }) => isGroup)?.seq ?? 0
      const what = `seed ${SEED}, byte ${at} flipped`
      const saved = salvage(damaged)
      // Never an empty start.
      expect(saved?.frames, what).toBe(last === 0 ? undefined : last)
      if (saved !== undefined) expect(stateText(saved.databases), what).toBe(workload.states.get(last))
    }
    from = end
  }
})
