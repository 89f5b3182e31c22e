/**
 * A reply that is told in steps: too long to be written while everybody waits.
 *
 *   command ──client.stream(source)──► connection: next, next, … within the turn's budget ──► later turns ──► done
 *
 * Until it is done the client's other requests wait, and so do messages of its subscriptions; other clients have their turns
 * between the steps. What is told has to be fixed at the beginning: data change between the steps.
 */
import type { ReplyWriter } from '@millrace/protocol'

export interface ReplySource {
  /** Writes about so many more bytes of the reply; true: that was all. */
  next(reply: ReplyWriter, budgetBytes: number): boolean
}
