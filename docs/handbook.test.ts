/**
 * Holds the handbook to its promises: every article is complete, every link leads somewhere, every redis-cli
 * session in it still gives the replies that are printed (see handbook-examples.ts), and every TypeScript example
 * compiles against the packages as they are.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  codeBlocks,
  comparable,
  parseArticle,
  parseSteps,
  redisCli,
  runStep,
  type Article,
} from './handbook-examples.ts'

const folder = join(import.meta.dirname, 'handbook')
const articlesMin = 50
const wordsMin = 80
const wordsMax = 600
const languages = new Set(['redis', 'ts', 'sh', 'text', 'json'])

const articles = new Map<string, Article>(
  readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => [name.slice(0, -3), parseArticle(readFileSync(join(folder, name), 'utf8'))]),
)
const contents = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')

const every = (check: (slug: string, article: Article) => readonly string[]): string[] =>
  [...articles].flatMap(([slug, article]) => check(slug, article).map((problem) => `${slug}: ${problem}`))

/** The article without its code blocks. */
const prose = (article: Article) => article.body.replaceAll(/^```[\s\S]*?^```$/gm, '')

describe('the handbook', () => {
  it('has enough articles', () => {
    expect(articles.size).toBeGreaterThanOrEqual(articlesMin)
  })

  it('has complete front matter that any YAML reader accepts', () => {
    const problems = every((slug, { meta }) => {
      const missing = ['title', 'slug', 'summary', 'keywords', 'related'].filter((key) => !meta.get(key))
      const unsafe = [...meta].filter(([, value]) => /: | #|^[-*&!|>@`%[{"']/.test(value)).map(([key]) => key)
      return [
        ...missing.map((key) => `no ${key}`),
        ...unsafe.map((key) => `${key} is no plain YAML scalar`),
        ...(meta.get('slug') === slug ? [] : [`slug is ${meta.get('slug')}`]),
      ]
    })
    expect(problems).toEqual([])
  })

  it('has a title for each article, and no title twice', () => {
    const titles = [...articles.values()].map(({ meta }) => meta.get('title'))
    expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([])
  })

  it('has only links and related articles that exist', () => {
    const problems = every((slug, { meta, body }) => {
      const related = (meta.get('related') ?? '').split(', ')
      const links = [...body.matchAll(/\]\((?!https?:)([^)]*)\)/g)].map((match) => match[1]!)
      const slugs = [...related, ...links.map((link) => link.replace(/^\/handbook\//, ''))]
      return slugs.filter((target) => !articles.has(target) || target === slug).map((target) => `links to ${target}`)
    })
    expect(problems).toEqual([])
  })

  it('has articles of 80 to 600 words, without a heading 1, without HTML, in known languages', () => {
    const problems = every((_slug, article) => {
      const words = article.body.split(/\s+/).filter((word) => word !== '').length
      const inline = prose(article)
        .replaceAll(/`[^`\n]*`/g, '')
        .replaceAll(/^ {4}.*$/gm, '')
      return [
        ...(words < wordsMin || words > wordsMax ? [`${words} words`] : []),
        ...(/^# /m.test(prose(article)) ? ['a heading 1'] : []),
        ...(/<[a-z!/][^>]*>/i.test(inline) ? ['raw HTML'] : []),
        ...codeBlocks(article.body)
          .filter(({ language }) => !languages.has(language))
          .map(({ language }) => `language '${language}'`),
      ]
    })
    expect(problems).toEqual([])
  })

  it('is listed completely in docs/README.md', () => {
    const listed = [...contents.matchAll(/\(handbook\/([a-z0-9-]+)\.md\)/g)].map((match) => match[1]!)
    expect(listed.toSorted()).toEqual([...articles.keys()].toSorted())
  })
})

describe('the TypeScript examples', () => {
  it('compile', async () => {
    const root = join(import.meta.dirname, '..')
    const directory = mkdtempSync(join(tmpdir(), 'handbook-'))
    try {
      const files = [...articles].flatMap(([slug, { body }]) =>
        codeBlocks(body)
          .filter(({ language }) => language === 'ts')
          .map(({ text }, i) => ({ name: `${slug}-${i}.ts`, text })),
      )
      expect(files.length).toBeGreaterThan(0)
      for (const { name, text } of files) writeFileSync(join(directory, name), text)
      symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
      writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
      writeFileSync(
        join(directory, 'tsconfig.json'),
        JSON.stringify({
          extends: join(root, 'tsconfig.base.json'),
          compilerOptions: { composite: false, declarationMap: false, noEmit: true, preserveSymlinks: false },
          include: ['*.ts'],
        }),
      )
      expect(await compilerErrors(root, directory)).toEqual([])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }, 60_000)
})

/** What tsc says about the examples themselves; the packages that they use are compiled elsewhere. */
async function compilerErrors(root: string, directory: string): Promise<string[]> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', directory, '--pretty', 'false'], { cwd: directory })
    return []
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    if (stdout === undefined) throw error
    return stdout.split('\n').filter((line) => /^[a-z0-9-]+\.ts\(|^error /.test(line))
  }
}

describe('the examples give the replies that are printed', () => {
  let redis: RedisServer

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis?.stop())

  const withExamples = [...articles].filter(([, { body }]) => runnable(body).length > 0)

  it.each(withExamples)('%s', async (_slug, article) => {
    await redisCli(redis.port, ['FLUSHALL'])
    for (const { text } of runnable(article.body)) {
      for (const step of parseSteps(text)) {
        const reply = await runStep(redis.port, step)
        expect(comparable(step, reply), step.commands.join('\n')).toEqual(comparable(step, step.reply))
      }
    }
  })
})

/** Sessions for the server that the tests have; `since=8.2` and the like need a newer one. */
function runnable(body: string) {
  return codeBlocks(body).filter(({ language, info }) => language === 'redis' && info === '')
}
