/**
 * What a crash may leave of a simulated disk.
 *
 *   step          │ 0: create j │ 1: write j 0..96 │ 2: sync j │ 3: syncDirectory │ …
 *   process dies        ▲ ▲              ▲ … ▲           ▲             ▲              all that was done, and each (or some) of
 *                                                                                   the beginnings of the write that is next
 *   power fails         ▲                ▲               ▲             ▲              what is durable, and any part of the rest
 *
 * States at a step are those just before it: all marks that were set before it hold. Steps that change nothing are passed
 * over, so each set of states is met under the most promises.
 *
 * Of a power failure's states each is met when there is little to choose (at most `unitsMax` sectors, sizes and names that
 * are not durable), and a few more in which one sector is torn; else `samples` of them are drawn. The same seed gives the
 * same states under the same numbers.
 */
import { Seeded } from '../../seeded.ts'
import { EveryChoice, SomeChoices, type Choices } from './choices.ts'
import { SimDirectory, type SimNode } from './sim-directory.ts'
import type { Effect, SimDisk } from './sim-disk.ts'
import { cutAt, SECTOR_BYTES, SimFile, truncations, type Sector, type Version } from './sim-file.ts'

export type CrashKind = 'process' | 'power'

export interface CrashOptions {
  /** 1 by default. */
  readonly seed?: number
  /** Both by default. */
  readonly kinds?: readonly CrashKind[]
  /** Drawn at a step with more than `unitsMax` to choose; 50 by default. */
  readonly samples?: number
  /** 8 by default: at most 256 states. */
  readonly unitsMax?: number
  /** How many beginnings of a write are met, all when there are no more; 32 by default. */
  readonly prefixes?: number
  /** `any` (the default): each change of a name by itself; `ordered`: none without those before it, as on ext4. */
  readonly names?: 'any' | 'ordered'
  /** Steps (indices of the trace), from the first to the last, both included; all by default. */
  readonly from?: number
  readonly to?: number
  /** The state of this number alone. */
  readonly only?: number
}

export interface CrashedDisk {
  readonly kind: CrashKind
  /** Where in the trace. */
  readonly index: number
  /** Counted from 0 over all states of one run through. */
  readonly number: number
  readonly disk: SimDisk
}

const DEFAULTS = {
  seed: 1,
  kinds: ['process', 'power'],
  samples: 50,
  unitsMax: 8,
  prefixes: 32,
  names: 'any',
  from: 0,
  to: Infinity,
} as const

type Settings = Required<Omit<CrashOptions, 'only'>>

/** Takes a disk through the effects, and yields what a crash may leave of it before each of them and after the last. */
export function* crashedDisks(
  disk: SimDisk,
  effects: readonly (Effect | undefined)[],
  options: CrashOptions,
): Generator<CrashedDisk, void> {
  const settings: Settings = { ...DEFAULTS, ...options }
  const start = disk.now
  let number = 0
  for (let index = 0; index <= effects.length && index <= settings.to; index++) {
    const effect = effects[index]
    if (effect === undefined && index < effects.length) continue
    for (const [kind, crashed] of index < settings.from ? [] : crashesAt(disk, { effect, index }, settings)) {
      if (options.only === undefined || options.only === number) yield { kind, index, number, disk: crashed }
      number++
    }
    if (effect !== undefined) disk.apply(effect, start + index)
  }
}

function* crashesAt(
  disk: SimDisk,
  { effect, index }: { readonly effect: Effect | undefined; readonly index: number },
  settings: Settings,
): Generator<[CrashKind, SimDisk], void> {
  for (const kind of settings.kinds) {
    const random = new Seeded(settings.seed ^ Math.imul(index + 1, 0x9e3779b1))
    const crashes =
      kind === 'process' ? processCrashes(disk, effect, settings, random) : powerLosses(disk, settings, random)
    for (const crashed of crashes) yield [kind, crashed]
  }
}

function* processCrashes(
  disk: SimDisk,
  next: Effect | undefined,
  { prefixes }: Settings,
  random: Seeded,
): Generator<SimDisk, void> {
  yield disk.copy()
  if (next?.kind !== 'write') return
  const lengths = next.length - 1
  for (let i = 0; i < Math.min(prefixes, lengths); i++) {
    const length = 1 + (lengths <= prefixes ? i : random.below(lengths))
    const crashed = disk.copy()
    crashed.apply(disk.shortened(next, length), disk.now)
    yield crashed
  }
}

function* powerLosses(disk: SimDisk, settings: Settings, random: Seeded): Generator<SimDisk, void> {
  const { unitsMax, samples } = settings
  const units = unitsOf(disk.root, unitsMax + 1)
  if (units > unitsMax) {
    for (let i = 0; i < samples; i++) yield afterPowerLoss(disk, new SomeChoices(random), settings)
    return
  }
  const choices = new EveryChoice()
  do yield afterPowerLoss(disk, choices, settings)
  while (choices.next())
  for (let i = 0; i < units; i++) yield afterPowerLoss(disk, new SomeChoices(random, i), settings)
}

/** How much there is to choose, counted up to a limit. */
function unitsOf(directory: SimDirectory, limit: number): number {
  let units = directory.pending.length
  for (const node of directory.nodes()) {
    if (units >= limit) return units
    if (node instanceof SimDirectory) units += unitsOf(node, limit - units)
    else {
      units += node.sizes.depth
      for (const head of node.dirty.values()) units += head.depth
    }
  }
  return units
}

function afterPowerLoss(disk: SimDisk, choices: Choices, { names }: Settings): SimDisk {
  let lastKept = Infinity
  if (names === 'ordered') {
    const times = pendingTimes(disk.root).toSorted((a, b) => a - b)
    const kept = choices.below(times.length + 1)
    lastKept = kept === 0 ? -1 : times[kept - 1]!
  }
  const isKept = names === 'ordered' ? ({ time }: { time: number }) => time <= lastKept : () => choices.isKept()
  return disk.withRoot(directoryAfter(disk.root, choices, isKept))
}

function pendingTimes(directory: SimDirectory): number[] {
  const times = directory.pending.map(({ time }) => time)
  for (const node of directory.nodes()) if (node instanceof SimDirectory) times.push(...pendingTimes(node))
  return times
}

function directoryAfter(
  directory: SimDirectory,
  choices: Choices,
  isKept: (change: { readonly time: number }) => boolean,
): SimDirectory {
  const names = directory.namesWith(isKept)
  for (const [name, node] of names) {
    const after: SimNode = node instanceof SimFile ? fileAfter(node, choices) : directoryAfter(node, choices, isKept)
    names.set(name, after)
  }
  return new SimDirectory(directory.id, names)
}

function fileAfter(file: SimFile, choices: Choices): SimFile {
  if (file.isDurable) return file.copy()
  const sizes = choices.version(file.sizes)
  const { size } = sizes.value
  const isPlain = sizes === file.sizes && truncations(sizes).length === 0
  const cuts = truncations(sizes)
  const timeMax = truncations(file.sizes).findLast(({ time }) => time > sizes.time)?.time ?? Infinity
  const count = Math.ceil(size / SECTOR_BYTES)
  const sectors = file.sectors.slice(0, count)
  while (sectors.length < count) sectors.push(undefined)
  for (const [index, newest] of file.dirty) {
    if (index >= count) continue
    const version = choices.version(upTo(newest, timeMax))
    let value = torn(version, choices.tornAt())
    for (const {
      time,
      value: { size },
    } of cuts)
      if (time > version.time) value = cutAt(value, index, size)
    sectors[index] = value
  }
  // Beyond its end a file holds zeros: a sector that was written when it was longer is cut.
  if (!isPlain && size % SECTOR_BYTES !== 0) sectors[count - 1] = cutAt(sectors[count - 1], count - 1, size)
  return SimFile.durable(file.id, sectors, size)
}

/** What is written after a truncation goes to other places of the disk: without the truncation it is not seen. */
function upTo(head: Version<Sector>, timeMax: number): Version<Sector> {
  let at = head
  while (at.time >= timeMax && at.before !== undefined) at = at.before
  return at
}

/** The beginning of a sector's version, and the rest of the one before; a negative place: the other way round. */
function torn({ value, before }: Version<Sector>, at: number): Sector {
  if (at === 0 || before === undefined) return value
  const mixed = new Uint8Array(SECTOR_BYTES)
  const [head, tail] = at > 0 ? [value, before.value] : [before.value, value]
  const place = Math.abs(at)
  if (head !== undefined) mixed.set(head.subarray(0, place))
  if (tail !== undefined) mixed.set(tail.subarray(place), place)
  return mixed
}
