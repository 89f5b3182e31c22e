import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Handbook, loadHandbook, parseArticle } from './handbook.ts'

const article = (
  slug: string,
  over: { title?: string; summary?: string; keywords?: string; body?: string } = {},
): string =>
  `---
title: ${over.title ?? slug}
slug: ${slug}
summary: ${over.summary ?? 'A summary.'}
keywords: ${over.keywords ?? ''}
related: one, two
---

${over.body ?? 'The introduction.'}
`

const folders: string[] = []
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })))

function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'handbook-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const handbookOf = (...texts: string[]): Handbook =>
  new Handbook(texts.map((text, index) => parseArticle(`${index}.md`, text)))

const slugs = (handbook: Handbook, question: string): string[] =>
  handbook.search(question).map((hit) => hit.article.slug)

describe('an article', () => {
  it('has its front matter and its sections', () => {
    const body = 'Intro.\n\n## One\n\nText one.\n\n```sh\n## no heading\n```\n\n## Two\n\nText two.'
    const parsed = parseArticle('a.md', article('a-b', { title: '"Quoted: title"', keywords: 'x, "y z"', body }))
    expect(parsed).toMatchObject({
      slug: 'a-b',
      title: 'Quoted: title',
      keywords: ['x', 'y z'],
      related: ['one', 'two'],
    })
    expect(parsed.sections).toEqual([
      { heading: '', text: 'Intro.' },
      { heading: 'One', text: 'Text one.\n\n```sh\n## no heading\n```' },
      { heading: 'Two', text: 'Text two.' },
    ])
  })

  it('is read with Windows line ends', () => {
    expect(parseArticle('a.md', article('a').replaceAll('\n', '\r\n')).markdown).toBe('The introduction.')
  })

  it.each([
    ['no front matter', 'Just text.', /a\.md must begin with front matter/],
    ['no title', article('a', { title: ' ' }), /a\.md has no 'title'/],
    ['a slug that is no path', article('../etc'), /slug '\.\.\/etc' must be/],
    ['too much text', article('a', { body: 'x'.repeat(300_000) }), /a\.md is over/],
  ])('is refused with %s', (_name, text, message) => {
    expect(() => parseArticle('a.md', text)).toThrow(message)
  })
})

describe('a handbook', () => {
  it('is loaded from a folder, README aside', () => {
    const handbook = loadHandbook(folderOf({ 'a.md': article('a'), 'b.md': article('b'), 'README.md': 'no article' }))
    expect(handbook.articles.map(({ slug }) => slug)).toEqual(['a', 'b'])
    expect(handbook.article('b')?.slug).toBe('b')
    expect(handbook.article('c')).toBeUndefined()
  })

  it('is refused when it is empty, missing or has a slug twice', () => {
    const empty = folderOf({})
    expect(() => loadHandbook(empty)).toThrow(`The handbook at ${empty} has no article`)
    expect(() => loadHandbook(join(empty, 'missing'))).toThrow(/missing/)
    expect(() => handbookOf(article('a'), article('a'))).toThrow(/same slug/)
  })

  it('finds an article by its command, also when it is mistyped or half typed', () => {
    const handbook = handbookOf(
      article('xautoclaim', { title: 'XAUTOCLAIM sweeps up' }),
      article('xadd', { title: 'XADD adds an entry', body: 'See XAUTOCLAIM.' }),
    )
    for (const question of ['What does XAUTOCLAIM do?', 'xautoclam', 'xautocl', 'XAUTOCLAIM XAUTOCLAIM']) {
      expect(slugs(handbook, question)[0], question).toBe('xautoclaim')
    }
  })

  it('finds what is meant by other words', () => {
    const handbook = handbookOf(
      article('pending', { title: 'The pending list' }),
      article('xack', { title: 'XACK acknowledges' }),
      article('trimming', { title: 'Trimming' }),
    )
    expect(slugs(handbook, 'where is the PEL')[0]).toBe('pending')
    expect(slugs(handbook, 'acking')[0]).toBe('xack')
    expect(slugs(handbook, 'retention')[0]).toBe('trimming')
  })

  it('finds nothing for filler, for nothing and for what no article is about', () => {
    const handbook = handbookOf(article('xadd', { body: 'Something about reading.' }))
    for (const question of ['', '?!', 'how do you do', 'bread', 'お元気ですか', '𝒳'.repeat(50)]) {
      expect(slugs(handbook, question), question).toEqual([])
    }
  })

  it('takes a question of 16 KB, and one of words it has never seen, within a second', () => {
    const handbook = handbookOf(article('xadd'))
    const words = Array.from({ length: 2_000 }, (_, i) => `wort${i}abc`).join(' ')
    const beganMs = performance.now()
    handbook.search(words)
    handbook.search('x'.repeat(16_384))
    expect(performance.now() - beganMs).toBeLessThan(1_000)
  })

  it('knows how much of the question an article is about', () => {
    const handbook = handbookOf(article('xadd', { title: 'XADD', body: 'Some text about lamps.' }), article('other'))
    const hit = (question: string) => handbook.search(question)[0]!
    expect(hit('xadd')).toMatchObject({ coverage: 1, aboutness: 1 })
    expect(hit('lamps')).toMatchObject({ coverage: 1, aboutness: 0 })
    expect(hit('xadd zeppelin').coverage).toBeLessThan(1)
  })
})
