/**
 * The security tables: every known threat to a server that speaks RESP, and the tests that try it on ours.
 *
 *   row.id   ──►   a test whose name begins with it: 'CVE-2025-21605: …'
 *
 * table.test.ts holds both sides together: no row without its test, no test without its row.
 */

export interface SecurityRow {
  /** What the names of its tests begin with: the CVE, or the threat. */
  readonly id: string
  readonly threat: string
  readonly file: string
}

export interface SecuritySection {
  readonly name: string
  readonly rows: readonly SecurityRow[]
}

function rows(file: string, threats: Readonly<Record<string, string>>): SecurityRow[] {
  return Object.entries(threats).map(([id, threat]) => ({ id, threat, file }))
}

export const securityTable: readonly SecuritySection[] = [
  {
    name: 'protocol',
    rows: rows('protocol.test.ts', {
      'HTTP on the port': 'a web page that posts commands to a port of its reader',
      'limits before AUTH': 'memory and time that somebody unknown can have',
      'multibulk beyond int32': 'a count that does not fit',
      'huge multibulk': 'memory that is made by a declared count',
      'huge bulk': 'memory that is made by a declared length; text beyond what a string can be',
      'malformed lengths': 'a parser that differs from the one that everybody tests against',
      'bytes after a bulk': 'requests that two parsers read differently',
      'TLS or NUL on the plain port': 'bytes for which a reader of lines waits for ever',
    }),
  },
  {
    name: 'patience',
    rows: [
      ...rows('patience.test.ts', {
        'password guessing': 'half a million guesses a second',
        slowloris: 'requests that never end, and connections that never speak',
        'unread replies': 'replies that pile up for who does not read them (CVE-2025-21605)',
        'endless pipeline': 'one client that takes all of the time',
        'long listings': 'one reply that takes all of the time',
      }),
      ...rows('crowd.test.ts', { 'idle and active': 'more clients than there is memory for' }),
    ],
  },
  {
    name: 'access',
    rows: rows('access.test.ts', {
      'protected mode': 'a server without a password that everybody can reach',
      ACL: 'keys and commands that a user may not touch',
      'ACL file': 'a default user that is left open',
      TLS: 'old versions, clients without a certificate, certificates that expire',
      'write-anything': 'files written where CONFIG SET says, code loaded, data taken from another server',
      secrets: 'passwords that are told, and administration that is not for everybody',
      log: 'control bytes that move the cursor of whoever reads the log',
    }),
  },
  {
    name: 'language',
    rows: rows('language.test.ts', {
      'names of Object.prototype': 'words of a peer that are looked up in an object',
      recursion: 'a stack that gives out',
      'text that becomes code': 'patterns, functions and scripts made of what a peer sent',
      '64-bit numbers': 'whole numbers that a double rounds',
      'memory of others': 'bytes of a pooled buffer that are sent before they are written',
      'a mistake of ours': 'an exception that ends the process, or that nobody notices',
    }),
  },
  {
    name: 'known holes',
    rows: [
      ...rows('language.test.ts', {
        'CVE-2022-36021, CVE-2024-31228': 'globs of exponential time and unbounded recursion',
        'CVE-2025-27151': 'a path of the command line that overflows',
      }),
      ...rows('access.test.ts', {
        'CVE-2023-45145': 'a Unix socket that is open before it has its permissions',
        'CVE-2026-21863, CVE-2026-92925': 'a cluster bus that reads out of bounds',
      }),
      ...rows('acl.fuzz.ts', { 'CVE-2024-31227, CVE-2024-51741': 'malformed selectors of an ACL rule' }),
      ...rows('touched-keys.fuzz.ts', { 'CVE-2023-36824, CVE-2023-41053': 'keys that key extraction does not tell' }),
      ...rows('commands.fuzz.ts', { 'hostile commands': 'any sequence of commands in any state' }),
      ...rows('bytes.fuzz.ts', { 'damaged bytes': 'anything that is no request, cut anywhere' }),
      ...rows('patience.test.ts', { 'CVE-2025-21605': 'output buffers that grow without AUTH' }),
      ...rows('known-holes.test.ts', {
        'CVE-2021-32675': 'huge requests declared by many before AUTH',
        'CVE-2021-32627, CVE-2021-41099': 'values whose length overflows',
        'CVE-2022-31144': 'XAUTOCLAIM past its COUNT over deleted entries',
        'CVE-2022-35951': 'XAUTOCLAIM with a COUNT that overflows',
        'CVE-2023-25155, CVE-2022-35977, CVE-2023-22458': 'whole numbers at the edges of their types',
        'CVE-2023-28425': 'MSETNX with one key twice',
        'CVE-2023-41056': 'a query buffer that is miscounted when it is cut',
        'CVE-2025-46686': 'arguments that are kept before it is known who may send them',
        'CVE-2025-48367': 'protocol errors that starve everybody else',
        'CVE-2025-49844, CVE-2025-46817, CVE-2025-46818, CVE-2025-46819, CVE-2024-46981, CVE-2024-31449, CVE-2022-24834, CVE-2022-0543':
          'Lua',
        'CVE-2025-62507': 'a stack that many IDs overflow',
        'CVE-2025-67733': 'line ends in what an error repeats',
        'CVE-2026-27623': 'an empty request that leaves its state behind',
        'CVE-2026-23479': 'a client that is ended while it is served',
        'CVE-2026-25243, CVE-2026-66373, RED-186912': 'crafted payloads of RESTORE and of a snapshot',
        'CVE-2026-81934': 'TLS data that are pending when the connection ends',
        'redis #15488': 'data that are accepted and cannot be loaded again',
        'ws CVE-2024-37890, CVE-2026-48779': 'a WebSocket server that many headers or fragments bring down',
      }),
    ],
  },
]
