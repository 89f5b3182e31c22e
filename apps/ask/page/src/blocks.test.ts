/** Blocks hold the whole text in order, are the same however it arrives, and keep what belongs together. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockSplitter, splitBlocks } from './blocks.ts'

const shapes = (text: string) => splitBlocks(text).map(({ kind, text, lang }) => ({ kind, text: text.trim(), lang }))

describe('splitBlocks', () => {
  it('cuts paragraphs at blank lines', () => {
    expect(shapes('one\n\ntwo\nstill two\n\n\nthree')).toEqual([
      { kind: 'markdown', text: 'one', lang: '' },
      { kind: 'markdown', text: 'two\nstill two', lang: '' },
      { kind: 'markdown', text: 'three', lang: '' },
    ])
  })

  it('makes a fence a block, blank lines and all', () => {
    expect(shapes('before\n```redis title\nXADD a * b c\n\nXLEN a\n```\nafter')).toEqual([
      { kind: 'markdown', text: 'before', lang: '' },
      { kind: 'fence', text: 'XADD a * b c\n\nXLEN a', lang: 'redis' },
      { kind: 'markdown', text: 'after', lang: '' },
    ])
  })

  it('closes a fence only by its own mark, as long or longer', () => {
    expect(shapes('````md\n```\ninner\n```\n`````\nafter').map((each) => each.text)).toEqual([
      '```\ninner\n```',
      'after',
    ])
    expect(shapes('~~~\n```\n~~~').map((each) => each.text)).toEqual(['```'])
  })

  it('keeps the items of a loose list together, and a fence inside of one', () => {
    const list = '- one\n\n  more of one\n\n- two\n  ```ts\n  a\n\n  b\n  ```\n\n- three'
    expect(shapes(`${list}\n\nend`)).toEqual([
      { kind: 'markdown', text: list, lang: '' },
      { kind: 'markdown', text: 'end', lang: '' },
    ])
  })

  it('takes a line of inline code for what it is', () => {
    expect(shapes('```x``` is code')).toEqual([{ kind: 'markdown', text: '```x``` is code', lang: '' }])
  })

  it('holds back what may become a fence', () => {
    expect(splitBlocks('text\n``')[0]).toMatchObject({ kind: 'markdown', text: 'text\n', open: true })
    expect(splitBlocks('```ts\na\n``')[0]).toMatchObject({ kind: 'fence', text: 'a\n', open: true })
  })
})

describe('BlockSplitter', () => {
  it('gives the same blocks for every way a text arrives', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      '\n',
      '\n\n',
      '`',
      '```',
      '```ts\n',
      '- x',
      '1. y',
      '  ',
      '> q',
      '|a|',
      '~~~',
      '#',
      '1',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const splitter = new BlockSplitter()
        let text = ''
        for (const each of pieces) {
          text += each
          expect(splitter.split(text, 0, false)).toEqual(splitBlocks(text))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('keeps finished blocks as they are, so that they need not be drawn again', () => {
    const splitter = new BlockSplitter()
    const [first] = splitter.split('one\n\ntwo', 0, false)
    expect(splitter.split('one\n\ntwo and more\n\nthree', 0, false)[0]).toBe(first)
  })

  it('begins anew when the text was cut back', () => {
    const splitter = new BlockSplitter()
    splitter.split('one\n\ntwo\n\nthree', 0, false)
    expect(splitter.split('one\n\nother and longer than before', 1, true)).toMatchObject([
      { text: 'one\n\n', open: false },
      { text: 'other and longer than before', open: false },
    ])
  })
})
