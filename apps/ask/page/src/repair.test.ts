/** A growing text never shows bare marks, and loses nothing once it can be told what they are. */
import { describe, expect, it } from 'vitest'
import { repairTail } from './repair.ts'

describe('repairTail', () => {
  it('closes what is begun', () => {
    expect(repairTail('some **bold')).toBe('some **bold**')
    expect(repairTail('use `XADD')).toBe('use `XADD`')
  })

  it('holds back marks with nothing inside', () => {
    expect(repairTail('some **')).toBe('some')
    expect(repairTail('use `')).toBe('use')
    expect(repairTail('see [')).toBe('see')
    expect(repairTail('text\n##')).toBe('text\n')
  })

  it('holds back a table until it is one', () => {
    expect(repairTail('so:\n| a | b')).toBe('so:\n')
    expect(repairTail('| a | b |\n| --')).toBe('')
    expect(repairTail('| a | b |\n| --- | --- |\n')).toBe('| a | b |\n| --- | --- |\n')
    expect(repairTail('| a | b |\n| --- | --- |\n| 1 | 2')).toContain('| 1 | 2')
    expect(repairTail('| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 ')).toContain('| 3')
  })

  it('leaves a finished sentence alone', () => {
    expect(repairTail('MAXLEN ~ 1000 trims * and > too.')).toBe('MAXLEN ~ 1000 trims * and > too.')
  })
})
