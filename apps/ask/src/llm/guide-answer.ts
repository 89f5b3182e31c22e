/**
 * The built-in guide's answer to a question, put together from the handbook's own text and nothing else.
 *
 *   question ──search──► hits ──► one topic      its introduction, then the sections that fit the question best
 *                             ├─► two topics     ("X or Y?") the article about both, else one part for each
 *                             └─► nothing        says so, and names the nearest articles
 *
 * The same question and the same handbook always give the same text: that is what lets another server
 * continue an interrupted answer.
 */
import type { Source } from '@millrace/relay'
import type { Article, Handbook, Hit, Section } from './handbook.ts'
import { questionTerms, synonymsOf } from './terms.ts'

export interface GuideAnswer {
  readonly text: string
  readonly sources: readonly Source[]
}

/** An article that is about less than this share of the question's words is near, but no answer. */
const ABOUTNESS_MIN = 0.35
/** A second article is worth naming from this share of the first one's score. */
const SECOND_SCORE_MIN = 0.45
const WORDS_MAX = 400
const SIDE_WORDS_MAX = 170
const NEAREST = 5

export function answerFrom(handbook: Handbook, question: string): GuideAnswer {
  const hits = handbook.search(question)
  const sides = sidesOf(handbook, question)
  const [best, second] = hits.filter(isAnswer)
  if (sides !== undefined && !isAboutBoth(best, sides)) return bothSides(sides)
  if (best === undefined) return nothing(handbook, hits)
  const isStrong = second !== undefined && second.score >= best.score * SECOND_SCORE_MIN
  const parts = [bodyFor(best.article, question, WORDS_MAX)]
  if (isStrong) parts.push(`## See also: ${link(second.article)}`, second.article.summary)
  return {
    text: `${parts.join('\n\n')}\n`,
    sources: (isStrong ? [best, second] : [best]).map((hit) => sourceOf(hit.article)),
  }
}

function isAnswer(hit: Hit): boolean {
  return hit.aboutness >= ABOUTNESS_MIN
}

interface Side {
  readonly words: string
  readonly hit: Hit
}

/** The best hit for each side of "X vs Y", when each side has one and they are not the same. */
function sidesOf(handbook: Handbook, question: string): readonly [Side, Side] | undefined {
  const words = question.slice(0, 400).replace(/^.*?\bbetween\b/i, '')
  const parts = words.split(/\s(?:vs\.?|versus|or|and|against|instead of|rather than|compared (?:to|with))\s/i)
  if (
    parts.length !== 2 ||
    (!/\s(?:vs\.?|versus|or|against|instead|rather|compared)\s/i.test(question) && words === question)
  ) {
    return undefined
  }
  const [left, right] = parts.map((part) => ({ words: part, hit: handbook.search(part).find(isAnswer) }))
  if (!left?.hit || !right?.hit || left.hit.article === right.hit.article) return undefined
  return [left as Side, right as Side]
}

/** True when the best article for the whole question knows what both sides are called. */
function isAboutBoth(best: Hit | undefined, sides: readonly [Side, Side]): boolean {
  if (best === undefined) return false
  const { title, keywords, slug } = best.article
  const names = new Set(questionTerms(`${title} ${keywords.join(' ')} ${slug}`))
  return sides.every(({ words }) => questionTerms(words).some((term) => names.has(term)))
}

function bothSides(sides: readonly [Side, Side]): GuideAnswer {
  const articles = sides.map((side) => side.hit.article)
  const parts = sides.flatMap(({ hit, words }) => [
    `## ${hit.article.title}`,
    bodyFor(hit.article, words, SIDE_WORDS_MAX).replaceAll(/^## /gm, '### '),
  ])
  return { text: `${parts.join('\n\n')}\n`, sources: articles.map(sourceOf) }
}

function nothing(handbook: Handbook, hits: readonly Hit[]): GuideAnswer {
  const near = hits.length > 0 ? hits.map((hit) => hit.article) : mostRelated(handbook)
  const lines = near.slice(0, NEAREST).map((article) => `- ${link(article)}: ${article.summary}`)
  const text = [
    'The handbook has nothing on this question, and without a language model I can only answer from the handbook.',
    hits.length > 0 ? 'The nearest it has:' : 'What people most often look up in it:',
    lines.join('\n'),
  ].join('\n\n')
  return { text: `${text}\n`, sources: [] }
}

/** The articles that most others point at. */
function mostRelated(handbook: Handbook): readonly Article[] {
  const pointers = new Map<string, number>()
  for (const article of handbook.articles) {
    for (const slug of article.related) pointers.set(slug, (pointers.get(slug) ?? 0) + 1)
  }
  const count = (article: Article): number => pointers.get(article.slug) ?? 0
  return handbook.articles.toSorted((a, b) => count(b) - count(a))
}

/**
 * The introduction, then the other sections as they fit the question, within a number of words. A section that has
 * more of the question's words than the introduction goes first. What the reader gets is in the order of the article
 * apart from that.
 */
function bodyFor(article: Article, question: string, wordsMax: number): string {
  const terms = questionTerms(question)
  const ranked = article.sections
    .map((section, index) => ({ section, index, fit: fitOf(section, index, terms) }))
    .toSorted((a, b) => b.fit - a.fit || a.index - b.index)
  const chosen: typeof ranked = []
  let words = 0
  for (const candidate of ranked) {
    const count = wordCount(candidate.section.text)
    if (chosen.length > 0 && words + count > wordsMax) continue
    chosen.push(candidate)
    words += count
  }
  const first = chosen[0]!
  const rest = chosen.slice(1).toSorted((a, b) => a.index - b.index)
  return [first, ...rest].map(({ section }) => cropped(section, wordsMax)).join('\n\n')
}

/** How many of the question's terms a section has; a heading counts twice, and an article begins at its beginning. */
function fitOf(section: Section, index: number, terms: readonly string[]): number {
  const heading = new Set(questionTerms(section.heading))
  const text = new Set(questionTerms(section.text))
  let fit = index === 0 ? 1.5 : 0
  for (const term of terms) {
    if (heading.has(term)) fit += 2
    else if (text.has(term)) fit += 1
    else if (synonymsOf(term).some((synonym) => heading.has(synonym) || text.has(synonym))) fit += 0.5
  }
  return fit
}

/** One section, shortened at a paragraph when it alone is too long; a code block is never cut in half. */
function cropped(section: Section, wordsMax: number): string {
  const blocks = section.text.split(/\n\n(?=\S)/)
  const kept: string[] = []
  let words = 0
  let fences = 0
  for (const block of blocks) {
    words += wordCount(block)
    if (kept.length > 0 && words > wordsMax && fences % 2 === 0) break
    kept.push(block)
    fences += block.match(/^```/gm)?.length ?? 0
  }
  const text = kept.join('\n\n')
  return section.heading === '' ? text : `## ${section.heading}\n\n${text}`
}

function wordCount(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

function link(article: Article): string {
  return `[${article.title}](/handbook/${article.slug})`
}

function sourceOf(article: Article): Source {
  return { title: article.title, href: `/handbook/${article.slug}` }
}
