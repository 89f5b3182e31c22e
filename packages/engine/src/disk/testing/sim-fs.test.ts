import { describe, expect, it } from 'vitest'
import type { Fs } from '../files.ts'
import { writeAll } from '../files.ts'
import type { CrashOptions } from './crash-states.ts'
import { ImageEditor } from './image-editor.ts'
import { SimFs, type CrashState } from './sim-fs.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** What a file holds, zeros as dots. */
function text(fs: Fs, path: string): string {
  const file = fs.open(path, 'read')
  const into = Buffer.alloc(file.size())
  file.read(into, 0)
  file.close()
  return into.toString('latin1').replaceAll('\0', '.')
}

/** All files as `name=contents`, in the order of their names; runs of one letter as the letter and how many. */
function picture(fs: Fs): string {
  return fs
    .list('/')
    .map((name) => `${name}=${text(fs, `/${name}`).replaceAll(/(.)\1{3,}/g, (run) => `${run[0]}*${run.length}`)}`)
    .join(' ')
}

/** What may be there after a crash once all that was done has been done. */
function afterCrash(fs: SimFs, options: CrashOptions = {}): string[] {
  const last = { from: fs.trace.length, ...options }
  return [...new Set(Array.from(fs.crashStates(last), (state) => picture(state.fs)))].toSorted()
}

const power = { kinds: ['power'] } as const
const process = { kinds: ['process'] } as const

/** A disk with a durable file `a`. */
function diskWith(contents: string): SimFs {
  const fs = new SimFs()
  new ImageEditor(fs).write('/a', bytes(contents))
  return fs
}

/** As the code of an error, or what was returned. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return await run()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('after a power failure', () => {
  it('has what was synced, under a name that was', async () => {
    const fs = new SimFs()
    const file = fs.open('/a', 'create')
    file.write(bytes('hello'), 0)
    await file.sync()
    await fs.syncDirectory('/')
    expect(afterCrash(fs, power)).toEqual(['a=hello'])
  })

  it('may lack the name of a new file, or its contents, or both', async () => {
    const fs = new SimFs()
    const file = fs.open('/a', 'create')
    file.write(bytes('hello'), 0)
    // No size; the size without the bytes; all.
    expect(afterCrash(fs, { ...power, unitsMax: 99 })).toEqual(expect.arrayContaining(['', 'a=', 'a=.*5', 'a=hello']))
    file.syncNow()
    expect(afterCrash(fs, power)).toEqual(['', 'a=hello'])
  })

  it('has one of two names after a rename, never none and never both', () => {
    const fs = diskWith('x')
    fs.rename('/a', '/b')
    expect(afterCrash(fs, power)).toEqual(['a=x', 'b=x'])
    fs.syncDirectoryNow('/')
    expect(afterCrash(fs, power)).toEqual(['b=x'])
  })

  it('has the old or the new file where one was replaced', () => {
    const fs = diskWith('old')
    const file = fs.open('/b', 'create')
    file.write(bytes('new'), 0)
    file.syncNow()
    fs.rename('/b', '/a')
    expect(afterCrash(fs, power)).toEqual(['a=new', 'a=old', 'a=old b=new'])
  })

  it('has a file whose removal was not synced, or not', () => {
    const fs = diskWith('x')
    fs.remove('/a')
    expect(afterCrash(fs, power)).toEqual(['', 'a=x'])
    fs.syncDirectoryNow('/')
    expect(afterCrash(fs, power)).toEqual([''])
  })

  it('has any of two names that were made, or only the first where names are ordered', () => {
    const fs = new SimFs()
    fs.open('/a', 'create')
    fs.open('/b', 'create')
    expect(afterCrash(fs, power)).toEqual(['', 'a=', 'a= b=', 'b='])
    expect(afterCrash(fs, { ...power, names: 'ordered' })).toEqual(['', 'a=', 'a= b='])
  })

  it('has no name that needs a change of names that is missing', () => {
    const fs = diskWith('old')
    fs.rename('/a', '/b')
    fs.open('/a', 'create')
    expect(afterCrash(fs, power)).toEqual(['a= b=old', 'a=old', 'b=old'])
  })

  it('has any subset of the sectors that were not synced, holes among them', () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('A'.repeat(512) + 'B'.repeat(512)), 0)
    const whole = afterCrash(fs, power).filter((state) =>
      /^a=((.)\*512){2}$/.test(state.replace('.*1024', '.*512.*512')),
    )
    expect(whole).toEqual(['a=.*1024', 'a=.*512B*512', 'a=A*512.*512', 'a=A*512B*512'])
    expect(afterCrash(fs, power)).toContain('a=')
  })

  it('may have a sector as it was between two syncs, at any of its versions', () => {
    const fs = diskWith('one..')
    const file = fs.open('/a', 'update')
    file.write(bytes('two'), 0)
    file.write(bytes('six'), 0)
    expect(afterCrash(fs, power)).toEqual(expect.arrayContaining(['a=one..', 'a=six..', 'a=two..']))
  })

  it('may have a sector torn, which leaves bytes alone that did not change', () => {
    const fs = diskWith(`${'A'.repeat(100)}${'A'.repeat(412)}`)
    fs.open('/a', 'update').write(bytes('B'.repeat(412)), 100)
    const states = new Set<string>()
    for (let seed = 0; seed < 200; seed++) for (const state of afterCrash(fs, { ...power, seed })) states.add(state)
    expect(states.size).toBeGreaterThan(10)
    for (const state of states) expect(state).toMatch(/^a=A\*\d+(B+|B\*\d+)?(A+|A\*\d+)?$/)
  })

  it('has a truncation or not, and nothing that was written after it without it', () => {
    const fs = diskWith('A'.repeat(1024))
    const file = fs.open('/a', 'update')
    file.truncate(512)
    expect(afterCrash(fs, power)).toEqual(['a=A*1024', 'a=A*512'])
    file.write(bytes('B'.repeat(512)), 512)
    expect(afterCrash(fs, power).filter((state) => /^a=A\*1024$|^a=A\*512((.)\*512)?$/.test(state))).toEqual([
      'a=A*1024',
      'a=A*512',
      'a=A*512.*512',
      'a=A*512B*512',
    ])
    file.syncNow()
    expect(afterCrash(fs, power)).toEqual(['a=A*512B*512'])
  })

  it('has no part of what was written after a truncation that is missing', () => {
    const fs = diskWith('A'.repeat(1024))
    const file = fs.open('/a', 'update')
    file.truncate(512)
    file.write(bytes('B'.repeat(100)), 512)
    expect(afterCrash(fs, power).filter((state) => !state.includes('B'))).toEqual([
      'a=A*1024',
      'a=A*512',
      'a=A*512.*100',
    ])
    for (const state of afterCrash(fs, power)) expect(state).toMatch(/^a=A\*\d+(B+|B\*\d+)?(\.+|\.\*\d+)?$/)
    expect(afterCrash(fs, power)).not.toContain('a=A*512B*100.*412')
  })

  it('has a truncation that was synced, and not one that came after the sync began', async () => {
    const fs = diskWith('A'.repeat(512))
    const file = fs.open('/a', 'update')
    fs.holdSyncs = true
    file.truncate(10)
    const first = file.sync()
    file.write(bytes('B'), 600)
    fs.release()
    await first
    for (const state of afterCrash(fs, power)) expect(state).toMatch(/^a=A\*10/)
    const second = file.sync()
    file.truncate(5)
    fs.release()
    await second
    expect(afterCrash(fs, power)).toEqual(['a=A*10.*590B', 'a=A*5'])
  })

  it('has zeros behind the end of a file, whatever was written there', () => {
    const fs = diskWith('A'.repeat(10))
    fs.open('/a', 'update').write(bytes('B'.repeat(10)), 10)
    const grown = [...fs.crashStates({ ...power, from: fs.trace.length })].filter(
      ({ fs }) => fs.contents('/a').length === 10,
    )
    expect(grown.length).toBeGreaterThan(1)
    for (const { fs } of grown) {
      fs.open('/a', 'update').truncate(20)
      expect(text(fs, '/a')).toBe(`${'A'.repeat(10)}${'.'.repeat(10)}`)
    }
  })

  it('shows zeros where a file was cut and grew again', () => {
    const fs = diskWith('A'.repeat(600))
    const file = fs.open('/a', 'update')
    file.truncate(10)
    file.truncate(600)
    expect(text(fs, '/a')).toBe('A'.repeat(10) + '.'.repeat(590))
    expect(afterCrash(fs, power)).toEqual(['a=A*10', 'a=A*10.*590', 'a=A*600'])
    file.syncNow()
    expect(afterCrash(fs, power)).toEqual(['a=A*10.*590'])
  })

  it('lacks a directory that was not synced, with all that is in it', () => {
    const fs = new SimFs()
    fs.makeDirectory('/d/e')
    fs.open('/d/e/a', 'create')
    fs.syncDirectoryNow('/d/e')
    fs.syncDirectoryNow('/d')
    const states = [...fs.crashStates({ ...power, from: fs.trace.length })].map(({ fs }) => fs.list('/'))
    expect(states).toEqual(expect.arrayContaining([[], ['d']]))
  })

  it('has what a sync covers, which is what was written before it began', async () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    fs.holdSyncs = true
    file.write(bytes('one'), 0)
    const synced = file.sync()
    file.write(bytes('two'), 3)
    expect(fs.pendingSyncs).toMatchObject([{ kind: 'sync', path: '/a' }])
    expect(afterCrash(fs, power)).toContain('a=')
    fs.release(1)
    await synced
    expect(fs.pendingSyncs).toEqual([])
    expect(afterCrash(fs, power)).not.toContain('a=')
    expect(afterCrash(fs, power)).toEqual(expect.arrayContaining(['a=one', 'a=one...', 'a=onetwo']))
  })

  it('may lack what a failed sync covered, also after one that succeeded', async () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('A'.repeat(512)), 0)
    fs.inject({ kind: 'sync', error: 'EIO' })
    expect(await outcome(() => file.sync())).toBe('EIO')
    expect(text(fs, '/a')).toBe('A'.repeat(512))
    await file.sync()
    expect(afterCrash(fs, power)).toContain('a=')
    file.write(bytes('B'.repeat(512)), 512)
    await file.sync()
    const states = afterCrash(fs, power)
    expect(states).toEqual(expect.arrayContaining(['a=.*512B*512', 'a=A*512B*512']))
    for (const state of states) expect(state).toMatch(/B\*512$/)
  })

  it('has what was written again after a failed sync and synced', async () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('one'), 0)
    fs.inject({ kind: 'sync', error: 'EIO' })
    expect(await outcome(() => file.sync())).toBe('EIO')
    file.write(bytes('twos'), 0)
    await file.sync()
    expect(afterCrash(fs, power)).toEqual(['a=twos'])
  })

  it('may lack names that a failed sync covered', async () => {
    const fs = new SimFs()
    fs.open('/a', 'create')
    fs.inject({ kind: 'syncDirectory', error: 'EIO' })
    expect(await outcome(() => fs.syncDirectory('/'))).toBe('EIO')
    await fs.syncDirectory('/')
    expect(afterCrash(fs, power)).toEqual(['', 'a='])
    fs.rename('/a', '/b')
    await fs.syncDirectory('/')
    expect(afterCrash(fs, power)).toEqual(['b='])
  })

  it('may lack what was synced while the file was closed', async () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('one'), 0)
    const synced = outcome(() => file.sync())
    file.close()
    expect(await synced).toBe('EBADF')
    expect(afterCrash(fs, power)).toContain('a=')
  })
})

describe('after a crash of the process', () => {
  it('has all that was written, and each beginning of the write that was on its way', () => {
    const fs = diskWith('')
    fs.open('/a', 'update').write(bytes('abcd'), 0)
    expect(afterCrash(fs, process)).toEqual(['a=abcd'])
    expect(afterCrash(fs, { ...process, from: 0 })).toEqual(['a=', 'a=a', 'a=ab', 'a=abc', 'a=abcd', ''].toSorted())
  })

  it('still has to fear for the power', () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('abcd'), 0)
    const [crash] = fs.crashStates({ ...process, from: fs.trace.length })
    expect(afterCrash(crash!.fs, power)).toContain('a=')
    crash!.fs.open('/a', 'update').syncNow()
    expect(afterCrash(crash!.fs, power)).toEqual(['a=abcd'])
    expect(afterCrash(fs, power)).toContain('a=')
  })
})

describe('after one crash and another', () => {
  it('may lack what a failed sync covered in the process before', async () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    file.write(bytes('abcd'), 0)
    fs.inject({ kind: 'sync', error: 'EIO' })
    expect(await outcome(() => file.sync())).toBe('EIO')
    const [crash] = fs.crashStates({ ...process, from: fs.trace.length })
    crash!.fs.open('/a', 'update').syncNow()
    expect(afterCrash(crash!.fs, power)).toContain('a=')
  })

  it('has each file by itself, those of the first life and of the second', () => {
    const fs = diskWith('')
    fs.open('/c', 'create')
    const file = fs.open('/a', 'update')
    file.write(bytes('a'), 0)
    file.syncNow()
    fs.syncDirectoryNow('/')
    for (const { fs: second } of fs.crashStates({ from: fs.trace.length })) {
      second.open('/b', 'create').write(bytes('bb'), 0)
      second.open('/c', 'update').write(bytes('c'), 0)
      expect(afterCrash(second, process)).toEqual(['a=a b=bb c=c'])
    }
  })
})

describe('crash states', () => {
  function recorded(): SimFs {
    const fs = new SimFs()
    const file = fs.open('/a', 'create')
    fs.syncDirectoryNow('/')
    for (let i = 0; i < 8; i++) {
      writeAll(file, bytes(String(i).repeat(300)), i * 300)
      if (i % 3 === 2) file.syncNow()
      if (i % 3 === 2) fs.mark(`synced ${i}`)
    }
    return fs
  }
  const told = (state: CrashState): string => `${state.describe()} ${picture(state.fs)}`

  it('come again under the same seed and number', () => {
    const fs = recorded()
    const all = Array.from(fs.crashStates({ seed: 5 }), told)
    expect(Array.from(fs.crashStates({ seed: 5 }), told)).toEqual(all)
    for (const only of [0, 17, all.length - 1]) {
      expect(Array.from(fs.crashStates({ seed: 5, only }), told)).toEqual([all[only]])
    }
    expect(Array.from(fs.crashStates({ seed: 6 }), told)).not.toEqual(all)
  })

  it('hold all that was synced before the marks', () => {
    const fs = recorded()
    const seen = new Set<number>()
    for (const state of fs.crashStates({ samples: 10 })) {
      const marks = fs.marks(state.index)
      seen.add(marks.length)
      const whole = Array.from({ length: marks.length * 3 }, (_, i) => String(i).repeat(300)).join('')
      if (marks.length > 0) expect(text(state.fs, '/a').slice(0, whole.length)).toBe(whole)
    }
    expect([...seen]).toEqual([0, 1, 2])
  })

  it('do not touch each other, nor the disk that they come from', () => {
    const fs = recorded()
    const before = picture(fs.settled())
    const states = [...fs.crashStates({ samples: 5 })].filter((state) => state.fs.list('/').length > 0)
    const pictures = states.map((state) => picture(state.fs))
    for (const state of states) {
      const file = state.fs.open('/a', 'update')
      file.write(bytes('!'.repeat(700)), 100)
      file.truncate(500)
      file.syncNow()
      state.fs.rename('/a', '/b')
      expect(picture(state.fs)).toMatch(/^b=[^!]*!\*400$/)
    }
    expect(picture(fs.settled())).toBe(before)
    const again = [...fs.crashStates({ samples: 5 })].filter((state) => state.fs.list('/').length > 0)
    expect(again.map((state) => picture(state.fs))).toEqual(pictures)
  })

  it('come from crash states as well', () => {
    for (const { fs } of recorded().crashStates({ ...power, from: 8, samples: 3 })) {
      const found = picture(fs)
      fs.open('/b', 'create').write(bytes('b'), 0)
      fs.syncDirectoryNow('/')
      const after = afterCrash(fs, power)
      expect(after).toEqual([`${found} b=`, `${found} b=.`, `${found} b=b`])
    }
  })

  it('tell where they are', () => {
    const descriptions = Array.from(recorded().crashStates({ seed: 3 }), (state) => state.describe())
    expect(descriptions[0]).toBe('crash of the process before step 0 (open /a: ok); seed 3, state 0')
    expect(descriptions.at(-1)).toMatch(/^power failure before step \d+ \(the end\); seed 3, state \d+$/)
  })

  it('are refused where nothing was recorded', () => {
    const fs = new SimFs(undefined, { isRecorded: false })
    fs.open('/a', 'create').write(bytes('a'), 0)
    expect(fs.trace).toEqual([])
    expect(() => [...fs.crashStates()]).toThrow('not recorded')
  })
})

describe('faults', () => {
  it('meet the operation of a number, once or from there on for ever', async () => {
    for (const times of [1, Infinity]) {
      const fs = diskWith('abc')
      const file = fs.open('/a', 'update')
      const into = new Uint8Array(3)
      fs.inject({ operation: fs.operations + 1, times, error: 'EIO' })
      const run = [() => file.size(), () => file.read(into, 0), () => file.size(), () => fs.list('/').length]
      const outcomes = []
      for (const one of run) outcomes.push(await outcome(one))
      expect(outcomes).toEqual(times === 1 ? [3, 'EIO', 3, 1] : [3, 'EIO', 'EIO', 'EIO'])
    }
  })

  it('meet what fits their kind, path and count', async () => {
    const fs = diskWith('abc')
    new ImageEditor(fs).write('/b', bytes('abc'))
    fs.inject({ kind: 'read', path: /b$/, after: 1, error: 'EIO' })
    fs.inject({ kind: ['open'], path: 'new', error: 'EMFILE' })
    const one = fs.open('/a', 'read')
    const other = fs.open('/b', 'read')
    const outcomes = []
    for (const file of [one, other, one, other, other])
      outcomes.push(await outcome(() => file.read(Buffer.alloc(3), 0)))
    expect(outcomes).toEqual([3, 3, 3, 'EIO', 3])
    expect(await outcome(() => fs.open('/new', 'create'))).toBe('EMFILE')
    expect(fs.list('/')).toEqual(['a', 'b'])
  })

  it('can be taken back, one or all', () => {
    const fs = new SimFs()
    const cancel = fs.inject({ times: Infinity, error: 'EROFS' })
    fs.inject({ kind: 'list', times: Infinity, error: 'EIO' })
    cancel()
    fs.makeDirectory('/d')
    expect(() => fs.list('/')).toThrow('EIO: i/o error, scandir')
    fs.heal()
    expect(fs.list('/')).toEqual(['d'])
  })

  it('write less than was given', () => {
    const fs = diskWith('')
    const file = fs.open('/a', 'update')
    fs.inject({ kind: 'write', bytes: 2 })
    expect(file.write(bytes('abc'), 0)).toBe(2)
    fs.inject({ kind: 'write', bytes: { seed: 1 }, times: Infinity })
    const counts = Array.from({ length: 40 }, () => file.write(bytes('abcd'), 0))
    expect(new Set(counts)).toEqual(new Set([1, 2, 3]))
    writeAll(file, bytes('whole again'), 0)
    expect(text(fs, '/a')).toBe('whole again')
  })

  it('write a beginning and fail', () => {
    const fs = diskWith('')
    fs.inject({ kind: 'write', bytes: 2, error: 'EIO' })
    expect(() => fs.open('/a', 'update').write(bytes('abc'), 0)).toThrow('EIO')
    expect(text(fs, '/a')).toBe('ab')
  })

  it('fill the disk: a write writes what fits, the next one fails, and goes on when there is room', async () => {
    const fs = diskWith('12345')
    fs.quotaBytes = 8
    const file = fs.open('/b', 'create')
    expect(file.write(bytes('abcdef'), 0)).toBe(3)
    expect(await outcome(() => file.write(bytes('def'), 3))).toBe('ENOSPC')
    expect(file.write(bytes('xyz'), 0)).toBe(3)
    fs.remove('/a')
    expect(file.write(bytes('def'), 3)).toBe(3)
    expect(text(fs, '/b')).toBe('xyzdef')
  })

  it('turn a bit on its way from the disk, not on it', () => {
    const fs = diskWith('abc')
    fs.inject({ kind: 'read', flipBit: 8 })
    expect(text(fs, '/a')).toBe('acc')
    expect(text(fs, '/a')).toBe('abc')
  })
})

describe('the trace', () => {
  it('tells each operation, its place and its result', async () => {
    const fs = diskWith('abc')
    const file = fs.open('/a', 'update')
    file.write(bytes('xy'), 1)
    fs.mark('written')
    await file.sync()
    expect(await outcome(() => fs.remove('/none'))).toBe('ENOENT')
    const told = fs.trace.map(({ kind, path, result }) => `${kind} ${path} ${result}`)
    expect(told).toEqual([
      'edit /a ok',
      'open /a ok',
      'write /a 2',
      'mark written ok',
      'sync /a begun',
      'synced /a ok',
      'remove /none ENOENT',
    ])
    expect(fs.trace[2]).toMatchObject({ position: 1, bytes: 2, number: 1 })
  })
})

describe('errors', () => {
  it('are those of Node', async () => {
    const fs = diskWith('abc')
    const file = fs.open('/a', 'read')
    expect(() => fs.open('/none', 'read')).toThrow("ENOENT: no such file or directory, open '/none'")
    expect(() => fs.rename('/none', '/x')).toThrow("ENOENT: no such file or directory, rename '/none' -> '/x'")
    expect(() => file.write(bytes('a'), 0)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'write' }))
    file.close()
    file.close()
    for (const run of [
      () => file.read(Buffer.alloc(1), 0),
      () => file.size(),
      () => file.sync(),
      () => file.syncNow(),
    ]) {
      expect(await outcome(run)).toBe('EBADF')
    }
  })
})

describe('damage', () => {
  const three = `${'A'.repeat(512)}${'B'.repeat(512)}${'C'.repeat(100)}`

  it.each<[string, (editor: ImageEditor) => void, string]>([
    ['a bit', (editor) => editor.flipBit('/a', 1), 'a=CA*511B*512C*100'],
    ['zeros', (editor) => editor.zeroSectors('/a', 1), 'a=A*512.*512C*100'],
    ['a sector twice', (editor) => editor.duplicateSector('/a', 1), 'a=A*512B*1024C*100'],
    ['a sector missing', (editor) => editor.removeSector('/a', 0), 'a=B*512C*100'],
    ['a sector astray', (editor) => editor.copySector('/a', 0, 1), 'a=A*1024C*100'],
    ['sectors swapped', (editor) => editor.swapSectors('/a', 0, 1), 'a=B*512A*512C*100'],
    ['a cut', (editor) => editor.truncate('/a', 600), 'a=A*512B*88'],
    ['a growth', (editor) => editor.truncate('/a', 1134), 'a=A*512B*512C*100.*10'],
    ['more at the end', (editor) => editor.append('/a', bytes('DDDD')), 'a=A*512B*512C*100D*4'],
    ['a file missing', (editor) => editor.remove('/a'), ''],
    ['a file twice', (editor) => editor.double('/a', '/b'), 'a=A*512B*512C*100 b=A*512B*512C*100'],
  ])('%s', (_, damage, expected) => {
    const fs = diskWith(three)
    const whole = fs.settled()
    damage(new ImageEditor(fs))
    expect(picture(fs)).toBe(expected)
    expect(afterCrash(fs, power)).toEqual([expected])
    expect(picture(whole)).toBe('a=A*512B*512C*100')
  })
})
