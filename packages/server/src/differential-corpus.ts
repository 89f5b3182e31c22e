/**
 * Requests of every shape, whole or refused, to be cut at every byte: each command and option of the stream grammar once,
 * inline and as arrays, and what the protocol refuses. None waits for more bytes than it has.
 */
import { encode } from './differential-wire.ts'

const commands = [
  'PING',
  'ECHO hello',
  'XADD s 1-1 f v',
  'XADD s NOMKSTREAM MAXLEN ~ 10 LIMIT 0 2-* f v name value',
  'XADD s MINID = 1-0 3-1 f v',
  'XADD s 1-1 f',
  'XADD s 1-1 f v',
  'XLEN s',
  'XRANGE s - + COUNT 2',
  'XREVRANGE s + - COUNT 2',
  'XRANGE s (1-1 3',
  'XDEL s 2-0 9-9',
  'XTRIM s MAXLEN 2',
  'XSETID s 20-0 ENTRIESADDED 30 MAXDELETEDID 2-0',
  'XGROUP CREATE s g 0 MKSTREAM ENTRIESREAD 1',
  'XGROUP CREATECONSUMER s g bob',
  'XGROUP SETID s g 0',
  'XGROUP FOO s g',
  'XREAD COUNT 2 STREAMS s t 0 0',
  'XREADGROUP GROUP g alice COUNT 2 STREAMS s >',
  'XREADGROUP GROUP g alice NOACK STREAMS s 0',
  'XPENDING s g',
  'XACK s g 1-1 2-0',
  'XCLAIM s g bob 0 1-1 RETRYCOUNT 3 FORCE JUSTID LASTID 3-1',
  'XAUTOCLAIM s g bob 0 0 COUNT 3 JUSTID',
  'XINFO STREAM s',
  'XINFO GROUPS s',
  'XGROUP DELCONSUMER s g bob',
  'XGROUP DESTROY s g',
  'SET w text',
  'XADD w * f v',
  'GET w',
  'TYPE s',
  'DEL s w',
  'FOO bar baz',
]

const inlines = [
  'PING\r\n',
  'PING\n',
  'ECHO "a b\\x41\\n\\"" \r\n',
  "ECHO 'it\\'s'\r\n",
  '  XADD  s 1-*  f "" \r\n',
  'ECHO a\rb\r\n',
  '%1\r\n',
  'ECHO "a\r\n',
  "ECHO 'a'b\r\n",
]

const odd = [
  '*0\r\n',
  '*-1\r\n',
  '\r\n',
  '\n\n \r\n',
  '*1\r\n$0\r\n\r\n',
  '*2\r\n$4\r\nECHO\r\n$6\r\n\r\n$1\r\n\r\n',
  '*2147483648\r\n',
  '*01\r\n',
  '*a\r\n',
  '*1\r\n*1\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$01\r\n',
  '*1\r\n$536870913\r\n',
  '*2\r\n$4\r\nECHO\r\n:1\r\n',
  '*3\r\n$3\r\nSET\r\n\r\n',
  '*-9223372036854775808\r\n',
  '*-9223372036854775809\r\n',
]

/** Each as latin1 text. */
export const corpus: readonly string[] = [
  ...commands.map((line) => encode(line.split(' ')).toString('latin1')),
  ['MULTI', 'XLEN s', 'EXEC'].map((line) => encode(line.split(' ')).toString('latin1')).join(''),
  ...inlines,
  ...odd,
]
