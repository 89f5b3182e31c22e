/** What a request may ask of our memory. Each limit has Redis's name for it, where Redis has one. */

export interface RequestLimits {
  /** Bytes of one argument, 99 at least. Default 64 MiB. Redis: proto-max-bulk-len (512 MiB). */
  readonly bulkBytesMax: number
  /** Arguments of one request. Default 1,048,576. Redis: 2^31 - 1. */
  readonly argumentsMax: number
  /** Bytes of one inline request, or of one length line. Default 65,536, as Redis. */
  readonly lineBytesMax: number
  /** Bytes of one request in all. Default 1 GiB. Redis: client-query-buffer-limit. */
  readonly requestBytesMax: number
  /** Arguments of one request before authentication. Default 10, as Redis. */
  readonly unauthenticatedArgumentsMax: number
  /** Bytes of one argument before authentication. Default 16,384, as Redis. */
  readonly unauthenticatedBulkBytesMax: number
}

export const requestLimits: RequestLimits = {
  bulkBytesMax: 64 * 1024 * 1024,
  argumentsMax: 1_048_576,
  lineBytesMax: 65_536,
  requestBytesMax: 1024 * 1024 * 1024,
  unauthenticatedArgumentsMax: 10,
  unauthenticatedBulkBytesMax: 16_384,
}

/** What a reply may ask of our memory. */
export interface ReplyLimits {
  /** Bytes of one bulk string. Default 512 MiB, which is what Redis allows to be stored. */
  readonly bulkBytesMax: number
  /** Elements of one array, set, map or push, keys and values counted. Default 2^31 - 1. Memory grows by what arrives. */
  readonly elementsMax: number
  /** How deep aggregates may lie in one another; 32 at most. Default 32. */
  readonly depthMax: number
  /** Bytes of one line. Default 65,536. */
  readonly lineBytesMax: number
  /** Bytes of one reply in all. Default 1 GiB. */
  readonly replyBytesMax: number
}

export const replyLimits: ReplyLimits = {
  bulkBytesMax: 512 * 1024 * 1024,
  elementsMax: 2 ** 31 - 1,
  depthMax: 32,
  lineBytesMax: 65_536,
  replyBytesMax: 1024 * 1024 * 1024,
}
