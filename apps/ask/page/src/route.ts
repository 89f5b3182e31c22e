/** The open answer stands in the address (`#/a/<answer>`), so that a refresh or a second tab opens it again. */
import { isAnswerId } from './wire.ts'

export function answerInHash(hash: string): string | undefined {
  const answer = /^#\/a\/(.+)$/.exec(hash)?.[1]
  return isAnswerId(answer) ? answer : undefined
}

/** An article of the handbook, opened in a tab of its own. */
export function articleInHash(hash: string): string | undefined {
  return /^#\/handbook\/([a-z0-9-]{1,100})$/.exec(hash)?.[1]
}

export function hashOfArticle(slug: string): string {
  return `#/handbook/${slug}`
}

export function hashOf(answer: string | undefined): string {
  return answer === undefined ? '#/' : `#/a/${answer}`
}
