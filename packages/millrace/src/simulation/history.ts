/**
 * What happened in a run, event by event, for the checker to judge. Any program can write it, also as lines of JSON.
 *
 *   sends ──► delivered, acknowledged (seen at the backend) ──► handled, effects (seen by handlers) ──► where each message is at the end
 */

export type HistoryEvent =
  /** A producer's call, when it ended. `n` is the message's own number. `unknown`: it may or may not have happened. */
  | {
      readonly kind: 'send'
      readonly n: number
      readonly stream: string
      readonly beganMs: number
      readonly endedMs: number
      readonly outcome: 'ok' | 'unknown' | 'refused'
      readonly id?: string
      readonly hash?: string
      readonly orderingKey?: string
      /** It waits first: its ID is not the one under which it is delivered. */
      readonly isDelayed?: boolean
    }
  /** A range that was read, in one piece. */
  | { readonly kind: 'read'; readonly stream: string; readonly ids: readonly string[] }
  /** A group that begins (again): what was before it counts no more. */
  | { readonly kind: 'group'; readonly stream: string; readonly group: string }
  /** The backend gave an entry to a consumer: as new, or because it claimed it. */
  | {
      readonly kind: 'delivered'
      readonly stream: string
      readonly group: string
      readonly consumer: string
      readonly id: string
      readonly how: 'new' | 'claimed'
      /** Of a claim: how often it was delivered, this time included; undefined: it was not counted. */
      readonly deliveries?: number
    }
  /** The backend acknowledged an entry for a consumer. */
  | {
      readonly kind: 'acknowledged'
      readonly stream: string
      readonly group: string
      readonly consumer: string
      readonly id: string
    }
  /** A handler was called with a message. */
  | {
      readonly kind: 'handled'
      readonly group: string
      readonly n: number
      readonly hash?: string
      readonly consumer: string
    }
  /** A handler was content with it. */
  | { readonly kind: 'done'; readonly group: string; readonly n: number; readonly consumer: string }
  /** An effect that a helper promises to apply once. */
  | { readonly kind: 'effect'; readonly group: string; readonly n: number }
  /** Something was broken on purpose: a kill, a cut, a lost reply, a stall. */
  | { readonly kind: 'fault'; readonly what: string; readonly atMs: number }
  /** What a stream holds after a restart. `cutBelow`: what is below it was trimmed on purpose. */
  | { readonly kind: 'survived'; readonly stream: string; readonly ids: readonly string[]; readonly cutBelow?: string }
  /** At the end: among the dead letters, or still to be done. */
  | { readonly kind: 'dead'; readonly group: string; readonly n: number }
  | { readonly kind: 'left'; readonly group: string; readonly n: number }
  /** At the end: delivered, and never acknowledged. */
  | { readonly kind: 'pending'; readonly stream: string; readonly group: string; readonly id: string }
  /** Each message that this group has done has an effect: it is applied with the acknowledgement. */
  | { readonly kind: 'promise'; readonly group: string }
  /** The run is over: was all done in the time that it was given after the last fault? */
  | { readonly kind: 'end'; readonly isDrained: boolean; readonly tookMs: number }

export type History = readonly HistoryEvent[]
