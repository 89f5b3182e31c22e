/** The open answer stands in the address (`#/a/<answer>`), so that a refresh or a second tab opens it again. */
import { isAnswerId } from './wire.ts'

export function answerInHash(hash: string): string | undefined {
  const answer = /^#\/a\/(.+)$/.exec(hash)?.[1]
  return isAnswerId(answer) ? answer : undefined
}

export function hashOf(answer: string | undefined): string {
  return answer === undefined ? '#/' : `#/a/${answer}`
}
