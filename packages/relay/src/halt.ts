/**
 * Why a producer stops without an end of its own:
 *
 *   fenced       another entry is where its next one belonged: stopped, or taken over
 *   lease_lost   the job's lease is gone; another server will take over
 *   stopping     this server closes and hands the answer on
 *   gone         the answer's stream has expired or was deleted
 *   unwritable   the store refused every append for too long
 *   went_back    the store lost entries that it had acknowledged
 */
export type HaltReason = 'fenced' | 'lease_lost' | 'stopping' | 'gone' | 'unwritable' | 'went_back'

export class Halt extends Error {
  readonly reason: HaltReason

  constructor(reason: HaltReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'Halt'
    this.reason = reason
  }
}
