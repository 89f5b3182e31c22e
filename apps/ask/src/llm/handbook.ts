/**
 * The handbook: a folder of short articles, and the search over them.
 *
 *   ---
 *   title: XAUTOCLAIM
 *   slug: xautoclaim
 *   summary: One sentence.
 *   keywords: claim, idle, dead consumer
 *   related: xclaim, pending-entries
 *   ---
 *   The introduction, then
 *   ## Sections
 *
 * A question becomes a list of terms: words without filler, in their stem, with their synonyms. A term that no
 * article has is taken for a typo or a beginning. `coverage` says how much of what the question is about an
 * article knows; what the search finds with little coverage is only near.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import MiniSearch, { type SearchResult } from 'minisearch'
import { questionTerms, synonymsOf, termsOf, tokenize } from './terms.ts'

export interface Section {
  /** Empty for the introduction. */
  readonly heading: string
  readonly text: string
}

export interface Article {
  readonly slug: string
  readonly title: string
  readonly summary: string
  readonly keywords: readonly string[]
  readonly related: readonly string[]
  /** The Markdown below the front matter. */
  readonly markdown: string
  readonly sections: readonly Section[]
}

export interface Hit {
  readonly article: Article
  readonly score: number
  /** From 0 to 1: the share of the question's terms, weighted by how rare they are, that the article has. */
  readonly coverage: number
  /** The same for the title, the keywords and the summary alone: what it is about; 0 when only the summary has any. */
  readonly aboutness: number
}

const ARTICLES_MAX = 1_000
const ARTICLE_BYTES_MAX = 256 * 1024
const QUESTION_TERMS_MAX = 64
/** A word that no article has weighs as if it were in so many. */
const UNKNOWN_SPREAD = 2
const WHOLE_NAME_WEIGHT = 6
/** `BLOCK`, `PEL`, `MAXLEN`: who writes a word in capitals means the thing of that name. */
const CAPITALS_WEIGHT = 3

/** The handbook that is shipped with the application: from src/llm and from dist/llm it is equally far. */
export const handbookFolder: string = fileURLToPath(new URL('../../../../docs/handbook/', import.meta.url))

/** Reads all articles of the folder. Throws an `Error` that names the file and what is wrong with it. */
export function loadHandbook(folder: string = handbookFolder): Handbook {
  const names = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md')
  if (names.length === 0) throw new Error(`The handbook at ${folder} has no article (*.md with front matter).`)
  if (names.length > ARTICLES_MAX) throw new Error(`The handbook at ${folder} has over ${ARTICLES_MAX} articles.`)
  return new Handbook(names.sort().map((name) => parseArticle(name, readFileSync(`${folder}/${name}`, 'utf8'))))
}

export class Handbook {
  readonly articles: readonly Article[]
  readonly #bySlug: ReadonlyMap<string, Article>
  readonly #index: MiniSearch<Article>
  /** In how many articles each indexed term occurs. */
  readonly #spread: ReadonlyMap<string, number>

  constructor(articles: readonly Article[]) {
    this.articles = articles
    this.#bySlug = new Map(articles.map((article) => [article.slug, article]))
    if (this.#bySlug.size !== articles.length) throw new Error('Two articles of the handbook have the same slug.')
    this.#index = new MiniSearch<Article>({
      idField: 'slug',
      fields: ['title', 'keywords', 'summary', 'headings', 'markdown'],
      extractField: fieldOf,
      tokenize,
      processTerm: termsOf,
    })
    this.#index.addAll(articles)
    this.#spread = countSpread(articles)
  }

  article(slug: string): Article | undefined {
    return this.#bySlug.get(slug)
  }

  /** The articles that have to do with the question, best first. */
  search(question: string): readonly Hit[] {
    const terms = questionTerms(question).slice(0, QUESTION_TERMS_MAX)
    if (terms.length === 0) return []
    const capitals = new Set(questionTerms(question.match(/\b[A-Z]{3,}\b/g)?.join(' ') ?? ''))
    const known = (term: string): boolean => this.#spread.has(term)
    const results = this.#index.search(
      {
        combineWith: 'OR',
        queries: [
          { queries: [terms.join(' ')], boost: fieldBoosts(1) },
          { queries: [terms.flatMap(synonymsOf).join(' ')], boost: fieldBoosts(0.5) },
        ],
      },
      {
        tokenize: (text) => text.split(' ').filter((term) => term !== ''),
        processTerm: (term) => term,
        // Only long words that no article has are taken for typos: 'xack' is not 'xadd', and 'bread' not 'read'.
        fuzzy: (term) => (known(term) || term.length < 6 ? false : term.length < 8 ? 1 : 2),
        prefix: (term) => !known(term) && term.length >= 5,
        bm25: { k: 1.2, b: 0.5, d: 0.4 },
      },
    )
    return results.map((result) => this.#hit(result, terms, capitals)).sort((a, b) => b.score - a.score)
  }

  #hit(result: SearchResult, terms: readonly string[], capitals: ReadonlySet<string>): Hit {
    const found = foundTerms(result)
    const share = { all: 0, text: 0, summary: 0, name: 0 }
    for (const term of terms) {
      const weight = this.#weight(term) * (capitals.has(term) ? CAPITALS_WEIGHT : 1)
      const places = [term, ...synonymsOf(term)].map((word) => found.get(word))
      share.all += weight
      if (places.some((place) => place !== undefined)) share.text += weight
      if (places.includes('summary') || places.includes('name')) share.summary += weight
      if (places.includes('name')) share.name += weight
    }
    const article = this.#bySlug.get(result.id as string)!
    const coverage = share.text / share.all
    const aboutness = share.name === 0 ? 0 : share.summary / share.all
    // An article that has half of the question's words, often, must not beat one that has them all; and one
    // whose whole name is in the question is meant.
    const score = result.score * (0.2 + 0.4 * (coverage + aboutness)) * (1 + nameShare(article, terms))
    return { article, score, coverage, aboutness }
  }

  /** How much a term says: most when few articles have it. One that none has may be just a manner of speaking. */
  #weight(term: string): number {
    return Math.log(1 + this.articles.length / (1 + (this.#spread.get(term) ?? UNKNOWN_SPREAD)))
  }
}

/**
 * How much of the article's title, or of its slug, is in the question; and how much of the question is a name or a
 * keyword of the article that is in it whole. "What is a Redis Stream?" has nothing but the name.
 */
function nameShare({ title, slug, keywords }: Article, terms: readonly string[]): number {
  const names = [title, slug, ...keywords].map((name) => questionTerms(name))
  const inQuestion = names.map((words) => words.filter((word) => terms.includes(word)).length)
  const shares = names.slice(0, 2).map((words, index) => inQuestion[index]! / Math.max(1, words.length))
  const whole = inQuestion.filter((count, index) => count === names[index]!.length)
  return Math.max(...shares) + WHOLE_NAME_WEIGHT * (Math.max(0, ...whole) / terms.length) ** 3
}

type Place = 'name' | 'summary' | 'text'

/** Which terms of the question the search has found in the article, and in which place at best. */
function foundTerms(result: SearchResult): Map<string, Place> {
  const found = new Map<string, Place>(result.queryTerms.map((asked) => [asked, 'text']))
  const note = (asked: string, place: Place): void => void (found.get(asked) !== 'name' && found.set(asked, place))
  for (const [term, fields] of Object.entries(result.match)) {
    const isName = fields.includes('title') || fields.includes('keywords')
    if (!isName && !fields.includes('summary')) continue
    const place = isName ? 'name' : 'summary'
    // A typo is found under the word that it stands for: then every word that was found may be it.
    if (found.has(term)) note(term, place)
    else for (const asked of result.queryTerms) if (!(asked in result.match)) note(asked, place)
  }
  return found
}

function fieldBoosts(factor: number): Record<string, number> {
  return { title: 5 * factor, keywords: 3 * factor, summary: 2 * factor, headings: 2 * factor, markdown: factor }
}

function fieldOf(article: Article, field: string): string {
  if (field === 'keywords') return `${article.keywords.join(' ')} ${article.slug}`
  if (field === 'headings') return article.sections.map((section) => section.heading).join(' ')
  if (field === 'slug' || field === 'title' || field === 'summary') return article[field]
  return article.markdown
}

function countSpread(articles: readonly Article[]): Map<string, number> {
  const spread = new Map<string, number>()
  for (const article of articles) {
    const words = ['title', 'keywords', 'summary', 'markdown'].flatMap((field) => tokenize(fieldOf(article, field)))
    for (const term of new Set(words.flatMap((word) => termsOf(word) || [])))
      spread.set(term, (spread.get(term) ?? 0) + 1)
  }
  return spread
}

/** Exported for tests. */
export function parseArticle(name: string, text: string): Article {
  if (text.length > ARTICLE_BYTES_MAX) throw new Error(`${name} is over ${ARTICLE_BYTES_MAX} characters long.`)
  const match = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/.exec(text)
  if (!match) throw new Error(`${name} must begin with front matter between two lines of '---'.`)
  const head = new Map<string, string>()
  for (const line of match[1]!.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) head.set(line.slice(0, colon).trim(), unquoted(line.slice(colon + 1).trim()))
  }
  const required = (key: string): string => {
    const value = head.get(key)
    if (!value) throw new Error(`${name} has no '${key}' in its front matter.`)
    return value
  }
  const slug = required('slug')
  if (!/^[a-z0-9-]{1,80}$/.test(slug)) throw new Error(`${name}: slug '${slug}' must be 1 to 80 of a-z, 0-9 and '-'.`)
  const markdown = match[2]!.replaceAll('\r\n', '\n').trim()
  return {
    slug,
    title: required('title'),
    summary: required('summary'),
    keywords: list(head.get('keywords')),
    related: list(head.get('related')),
    markdown,
    sections: sectionsOf(markdown),
  }
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text
}

function list(text: string | undefined): string[] {
  const words = (text ?? '').replace(/^\[|\]$/g, '').split(',')
  return words.map((word) => unquoted(word.trim())).filter((word) => word !== '')
}

/** Cut at second-level headings, but not at a `##` inside a code block; a first-level heading repeats the title. */
function sectionsOf(markdown: string): Section[] {
  const sections: { heading: string; lines: string[] }[] = [{ heading: '', lines: [] }]
  let fenced = false
  for (const line of markdown.split('\n')) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced
    const heading = fenced ? null : /^(#{1,2})\s+(.+?)\s*$/.exec(line)
    if (heading?.[1] === '##') sections.push({ heading: heading[2]!, lines: [] })
    else if (heading === null) sections.at(-1)!.lines.push(line)
  }
  return sections
    .map(({ heading, lines }) => ({ heading, text: lines.join('\n').trim() }))
    .filter((section) => section.text !== '')
}
