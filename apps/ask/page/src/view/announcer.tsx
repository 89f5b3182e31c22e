/**
 * What a screen reader hears. The text itself is never a live region: token by token nobody could follow. This
 * one says that an answer begins, how it ended, and what happened in between.
 */
import { useEffect, useRef, useState, type ReactNode } from 'react'
import type { PageState } from '../client.ts'
import { formatCount, wordsIn } from '../format.ts'
import { failureSentence, interruptionSentence, refusalSentence } from '../sentences.ts'

export function Announcer({ state }: { readonly state: PageState }): ReactNode {
  const [said, setSaid] = useState('')
  const before = useRef(state)
  useEffect(() => {
    const news = newsBetween(before.current, state)
    before.current = state
    if (news !== undefined) setSaid(news)
  }, [state])
  return (
    <div role="status" aria-live="polite" className="sr-only">
      {said}
    </div>
  )
}

/** The one thing worth saying about a change of state. */
export function newsBetween(before: PageState, now: PageState): string | undefined {
  if (now.refusal !== undefined && before.refusal !== now.refusal) return refusalSentence(now.refusal)
  if (now.asking !== undefined && before.asking === undefined)
    return now.asking.whole ? 'Waiting for the whole answer' : 'Answering'
  const { open } = now
  const was = before.open?.answer === open?.answer ? before.open : undefined
  if (open !== undefined) {
    const interruption = open.interruptions.at(-1)
    if (was !== undefined && interruption !== undefined && interruption !== was.interruptions.at(-1)) {
      return interruptionSentence(interruption)
    }
    if (open.state !== was?.state) return newsOfAnswer(open)
  }
  return newsOfConnection(before, now)
}

function newsOfAnswer(open: NonNullable<PageState['open']>): string | undefined {
  const words = `${formatCount(wordsIn(open.text))} words`
  switch (open.state) {
    case 'waiting':
      return undefined
    case 'streaming':
      return 'Answering'
    case 'done':
      return `Answer complete, ${words}`
    case 'stopped':
      return `Stopped, ${words}`
    case 'failed':
      return `The answer failed. ${failureSentence(open.error?.code ?? '')}`
    default:
      return open.state satisfies never
  }
}

function newsOfConnection(before: PageState, now: PageState): string | undefined {
  const { kind } = now.connection
  if (kind === before.connection.kind) return undefined
  if (kind === 'resumed') return 'The connection is back'
  if (kind === 'reconnecting' && before.connection.kind !== 'connecting') return 'Connection lost, reconnecting'
  return kind === 'offline' ? 'Offline' : undefined
}
