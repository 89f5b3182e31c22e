/**
 * From a question's words to search terms, the same way for articles and questions.
 *
 *   "Does XACKing acked entries free the PEL?"
 *      tokenize   does xacking acked entries free the pel
 *      termsOf         xack    ack   entry   free     pel      filler gone, stems
 *      synonymsOf      acknowledge … pending                   looked up beside, at half the weight
 *
 * The stemmer is light on purpose: it joins 'trims', 'trimmed' and 'trimming', and touches neither commands nor
 * short words.
 */

const WORD_CHARS_MAX = 40

const filler = new Set(
  `a about actually after all also am an and any anyone anything are as at be avoid because been before being both
  but by can cannot could did do does doesn doing don each ever every explain far few first for from get gets getting
  give given go going good got had has have having help her here hers him his how i if in into is isn it its itself just
  know let like make makes many may me mean means might more most much must my need needed needs no nor not now of off on
  once one only or other our out over own please possible really s same say see shall she should show so some
  somebody someone something still such t tell than that the their them then there these they thing things this those
  through to too two under understand until up us use used useful uses using very want was way ways we well were what
  when where whether which while who whom whose why will with within without won work working works would you your yours
  vs versus difference different differ compare compared comparison instead rather better best`
    .split(/\s+/)
    .filter((word) => word !== ''),
)

/** Words that mean the same here; each is looked up beside the others of its line. */
const synonymLines = [
  'ack acknowledge acknowledgement xack',
  'pel pending',
  'retention trim maxlen',
  'trim truncate shrink cap',
  'dlq dead letter poison',
  'worker consumer',
  'process handle consume work',
  'producer publisher writer xadd',
  'publish append xadd',
  'reader follower',
  'entry message event record item',
  'id identifier',
  'durable durability persistence persist fsync aof',
  'everysec appendfsync fsync',
  'crash restart recovery recover',
  'dead crash lost',
  'takeover claim reclaim xautoclaim xclaim',
  'stuck pending idle',
  'memory ram size',
  'big large size memory',
  'lag backlog behind',
  'order ordering ordered sequence',
  'duplicate dedupe deduplicate idempotent idempotency exactly',
  'retry redeliver redelivery attempt',
  'llm openai gpt langchain model token ai',
  'pubsub subscribe subscriber',
  'kafka partition topic',
  'cluster shard slot',
  'replica replication failover',
  'wait block blocking',
  'timeout block',
  'delete remove destroy drop xdel',
  'highest maximum max limit largest',
  'lowest minimum min limit smallest',
  'between range xrange',
  'twice duplicate again idempotent',
  'length count xlen',
  'range xrange query',
  'newest latest last',
  'oldest first earliest',
  'install setup',
  'speed fast performance throughput',
  'monitor metric observe alert',
  'resume reconnect refresh',
  'cost price memory',
] as const

const synonyms = new Map<string, Set<string>>()
for (const line of synonymLines) {
  const stems = line.split(' ').map((word) => stem(word))
  for (const term of stems) {
    // Who names a command means that command; 'claim' finds XCLAIM, but XCLAIM does not find XAUTOCLAIM.
    if (/^x[a-z]{3}/.test(term)) continue
    const others = synonyms.get(term) ?? new Set<string>()
    for (const other of stems) if (other !== term) others.add(other)
    synonyms.set(term, others)
  }
}

/** Words, numbers and command names; `pub/sub` and `dead-letter` stay findable in their parts and whole. */
export function tokenize(text: string): string[] {
  const joined = text.replace(/pub\s*\/\s*sub/gi, 'pubsub')
  // Nobody looks up a longer word, and the search for typos takes time that grows with the length.
  return (
    joined
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu)
      ?.map((word) => word.slice(0, WORD_CHARS_MAX)) ?? []
  )
}

/** For the index: the stem, or false for a word that says nothing. */
export function termsOf(word: string): string | false {
  const lower = word.toLowerCase()
  if (filler.has(lower) || (lower.length < 2 && !/\p{Lo}/u.test(lower))) return false
  return stem(lower)
}

/** What people call the symbols when they look them up. */
const symbolNames: Record<string, string> = {
  '~': 'approximate',
  $: 'dollar',
  '>': 'greater',
  '*': 'asterisk',
  '+': 'plus',
}

/** The terms of a question, each once, in order. A symbol that stands alone is a term by its name. */
export function questionTerms(question: string): string[] {
  const terms = new Set<string>()
  const words = question.replace(/(?<![\p{L}\p{N}<])[~$>*+](?![\p{L}\p{N}>])/gu, (symbol) => ` ${symbolNames[symbol]} `)
  for (const word of tokenize(words)) {
    const term = termsOf(word)
    if (term !== false) terms.add(term)
  }
  return [...terms]
}

export function synonymsOf(term: string): readonly string[] {
  return [...(synonyms.get(term) ?? [])]
}

function stem(word: string): string {
  if (word.length < 4 || /\d/.test(word)) return word
  let base = word
  if (base.endsWith('ies') && base.length > 4) base = `${base.slice(0, -3)}y`
  else if (/(?:ss|sh|ch|x|z)es$/.test(base)) base = base.slice(0, -2)
  else if (/[^siu]s$/.test(base)) base = base.slice(0, -1)
  base = base.replace(/(?<=.{6})e?ment$/, '')
  const verb = /^(.{3,}?)(?:ing|(?<!e)ed)$/.exec(base)?.[1]
  if (verb !== undefined && /[aeiouy]/.test(verb)) base = verb.replace(/([bdgmnprt])\1$/, '$1')
  return base.length >= 4 ? base.replace(/e$/, '') : base
}
