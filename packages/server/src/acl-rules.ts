/** A user's rules as they come in words: a selector in parentheses may be spread over several of them. */
import { AclRuleError } from './acl-selector.ts'

/** The rules with each selector in one piece: `(+get`, `~a)` become `(+get ~a)`. */
export function mergeSelectors(words: readonly string[]): string[] {
  const rules: string[] = []
  let open: string[] | undefined
  for (const word of words) {
    const isOpening = word.startsWith('(') && !word.endsWith(')')
    if (isOpening) {
      // As Redis: one that was open already is forgotten.
      open = [word]
      continue
    }
    if (open === undefined) {
      rules.push(word)
      continue
    }
    open.push(word)
    if (!word.endsWith(')')) continue
    rules.push(open.join(' '))
    open = undefined
  }
  if (open !== undefined) throw new AclRuleError(`Unmatched parenthesis in acl selector starting at '${open[0]}'.`)
  return rules
}
