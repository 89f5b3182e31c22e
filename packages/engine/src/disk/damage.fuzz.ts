/**
 * Damage to what had been durable: every bit of a journal flipped, sectors zeroed, missing, doubled and swapped, files
 * deleted, cut and doubled, one by one and in pairs. Either the state is the whole one, or the directory is refused by name
 * and nothing in it is changed: never a part of it in silence, never an empty start.
 */
import { expect, it } from 'vitest'
import { append } from '../append.ts'
import { EngineError } from '../errors.ts'
import { Seeded } from '../seeded.ts'
import { ImageEditor } from './testing/image-editor.ts'
import { DIRECTORY, recoverFrom } from './testing/crash-workload.ts'
import { SimEnv } from './testing/sim-env.ts'
import { SECTOR_BYTES } from './testing/sim-file.ts'
import { SimFs } from './testing/sim-fs.ts'
import { RandomHistory } from '../random-history.ts'
import { SEGMENT_HEADER_BYTES } from './journal-file.ts'
import { Store } from './store.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)

interface Image {
  readonly fs: SimFs
  readonly text: string
}

/** A directory that was used and then left: in order, or not. */
async function image(seed: number, bytesMin: number, isClean: boolean): Promise<Image> {
  const random = new Seeded(seed)
  const env = new SimEnv(new SimFs(), seed)
  const segmentBytes = Math.ceil(bytesMin / 2)
  const store = await Store.open(DIRECTORY, { env, segmentBytes, reserveBytes: 0, fillBytes: seed % 2 === 0 ? 0 : 300 })
  const history = new RandomHistory(store.databases, random)
  while (store.journal.bytes < bytesMin) {
    if (bytesMin > 100_000)
      append(store.databases.at(0), { key: 'only here', fields: ['f', 'x'.repeat(random.below(4000))] }, env.nowMs())
    for (let i = random.below(4); i >= 0; i--) history.step()
    store.commit()
    await env.advance(10)
  }
  if (isClean) await store.close()
  else store.abandon()
  const fs = env.fs.settled()
  return { fs, text: recoverFrom(fs).text }
}

type Outcome = 'same' | 'refused'

/** What comes of a damaged directory; anything but the two is a failure of the test. */
function outcome({ text }: Image, damaged: SimFs, what: string): Outcome {
  try {
    const found = recoverFrom(damaged)
    if (found.text === text) return 'same'
    return expect.fail(`seed ${SEED}: ${what}: loaded as another state`)
  } catch (error) {
    if (error instanceof EngineError && ['CORRUPT', 'NEWER_FORMAT'].includes(error.code)) {
      expect(error.message, what).toContain(DIRECTORY)
      return 'refused'
    }
    throw error
  }
}

function damage(of: Image, what: string, edit: (editor: ImageEditor) => void): Outcome {
  const fs = of.fs.copy()
  edit(new ImageEditor(fs))
  return outcome(of, fs, what)
}

/** Those with frames: of a segment that was made and not used, nothing is missing. */
function journals(whole: Image): string[] {
  const editor = new ImageEditor(whole.fs)
  return paths(whole).filter((path) => /journal-\d+$/.test(path) && editor.read(path).length > SEGMENT_HEADER_BYTES)
}

/** Without the zeros that a file is filled with ahead; the last frame may end in zeros itself. */
function usedBytes(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1
}

/** Whether something is written nearby: between the slots of `durable` there is nothing. */
function isInUse(bytes: Uint8Array, at: number): boolean {
  return bytes.subarray(Math.max(0, at - 128), at + 128).some((byte) => byte !== 0)
}

function paths({ fs }: Image): string[] {
  return fs.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`)
}

/** Files deleted, cut, doubled and in another's place, one by one and in pairs. */
async function damageFiles(seed: number, isClean: boolean): Promise<void> {
  const whole = await image(seed, 3000, isClean)
  const files = paths(whole)
  const editor = new ImageEditor(whole.fs)
  const edits: [string, (one: ImageEditor) => void][] = []
  for (const path of files) {
    const size = editor.read(path).length
    edits.push([`${path} deleted`, (one) => one.remove(path)])
    for (const part of [0, 0.3, 0.7, 1]) {
      const bytes = part === 1 ? Math.max(size - 1, 0) : Math.floor(size * part)
      edits.push([`${path} cut to ${bytes}`, (one) => one.truncate(path, bytes)])
    }
    edits.push([`${path} twice in itself`, (one) => one.append(path, one.read(path))])
    for (const to of files)
      if (to !== path) edits.push([`${path} in the place of ${to}`, (one) => one.double(path, to)])
  }
  let refused = 0
  for (const [what, edit] of edits) if (damage(whole, what, edit) === 'refused') refused++
  for (const [what, edit] of edits) {
    for (const [also, other] of edits) {
      const both = `${what}, ${also}`
      const of = damage(whole, both, (one) => {
        edit(one)
        try {
          other(one)
        } catch (error) {
          // What the first one has deleted cannot be changed any more.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        }
      })
      if (of === 'refused') refused++
    }
  }
  expect(refused).toBeGreaterThan(edits.length)
}

for (const isClean of [true, false]) {
  const how = isClean ? 'closed in order' : 'left by a crash'

  it(
    `refuses a journal of 6 KB and more with any bit flipped, ${how}, seed ${SEED}`,
    { timeout: 600_000 },
    async () => {
      const whole = await image(SEED, 6500, isClean)
      const editor = new ImageEditor(whole.fs)
      let flips = 0
      for (const path of journals(whole)) {
        const bits = usedBytes(editor.read(path)) * 8
        for (let bit = 0; bit < editor.read(path).length * 8; bit++) {
          const what = `bit ${bit} of ${path} flipped`
          const of = damage(whole, what, (one) => one.flipBit(path, bit))
          if (bit >= bits) continue
          expect(of, what).toBe('refused')
          flips++
        }
      }
      expect(flips).toBeGreaterThan(6000 * 8)
    },
  )

  it(
    `never loads metadata with a bit flipped as something else, ${how}, seed ${SEED}`,
    { timeout: 600_000 },
    async () => {
      const whole = await image(SEED + 1, 2000, isClean)
      const editor = new ImageEditor(whole.fs)
      const counts = { same: 0, refused: 0 }
      for (const path of paths(whole).filter((one) => !/journal-\d+$/.test(one))) {
        const bytes = editor.read(path)
        for (let bit = 0; bit < bytes.length * 8; bit += isInUse(bytes, bit >> 3) ? 1 : 509) {
          const what = `bit ${bit} of ${path} flipped`
          counts[damage(whole, what, (one) => one.flipBit(path, bit))]++
        }
      }
      expect(counts.refused).toBeGreaterThan(1000)
    },
  )

  it(
    `refuses sectors that are zero, missing, doubled, swapped or astray, ${how}, seed ${SEED}`,
    { timeout: 600_000 },
    async () => {
      const whole = await image(SEED + 2, 20_000, isClean)
      const editor = new ImageEditor(whole.fs)
      let refused = 0
      for (const path of paths(whole)) {
        const sectors = Math.ceil(editor.read(path).length / SECTOR_BYTES)
        for (let sector = 0; sector < sectors; sector++) {
          const edits: [string, (one: ImageEditor) => void][] = [
            ['zeroed', (one) => one.zeroSectors(path, sector)],
            ['missing', (one) => one.removeSector(path, sector)],
            ['doubled', (one) => one.duplicateSector(path, sector)],
          ]
          if (sector > 0) {
            edits.push(['swapped', (one) => one.swapSectors(path, sector, sector - 1)])
            edits.push(['astray', (one) => one.copySector(path, sector - 1, sector)])
          }
          for (const [name, edit] of edits)
            if (damage(whole, `sector ${sector} of ${path} ${name}`, edit) === 'refused') refused++
        }
      }
      expect(refused).toBeGreaterThan(100)
    },
  )

  it(
    `never starts empty, or with less, when files are gone, cut or doubled, ${how}, seed ${SEED}`,
    { timeout: 600_000 },
    () => damageFiles(SEED + 3, isClean),
  )
}

// What had started empty: without the journal's only segment and the manifest that named it, the first manifest was there.
it('never starts empty when files are gone, as in seed 1360790500', { timeout: 600_000 }, () =>
  damageFiles(1360790500, false),
)

it(
  `refuses a journal of 1 MB with a random bit flipped, ${RUNS} of them, seed ${SEED}`,
  { timeout: 3_600_000 },
  async () => {
    const whole = await image(SEED + 4, 1 << 20, false)
    const random = new Seeded(SEED)
    const editor = new ImageEditor(whole.fs)
    const files = journals(whole).map((path) => ({ path, size: usedBytes(editor.read(path)) }))
    const total = files.reduce((sum, { size }) => sum + size, 0)
    expect(total).toBeGreaterThan(1 << 20)
    for (let run = 0; run < RUNS; run++) {
      let at = random.below(total)
      const { path, size } = files.find((file) => (at -= file.size) < 0)!
      const bit = random.below(size * 8)
      const what = `bit ${bit} of ${path} flipped`
      expect(
        damage(whole, what, (one) => one.flipBit(path, bit)),
        what,
      ).toBe('refused')
    }
  },
)
