/** A TextMate grammar for sessions with redis-cli: prompts, commands, options, IDs, strings, replies. */
import type { LanguageRegistration } from 'shiki/core'

const OPTIONS =
  'STREAMS|GROUP|COUNT|BLOCK|NOACK|MKSTREAM|NOMKSTREAM|MAXLEN|MINID|LIMIT|IDLE|MIN-IDLE-TIME|RETRYCOUNT|FORCE|JUSTID|' +
  'LASTID|ENTRIESREAD|CREATE|CREATECONSUMER|DELCONSUMER|DESTROY|SETID|STREAM|GROUPS|CONSUMERS|FULL|KEEPREF|DELREF|ACKED'

export const REDIS_GRAMMAR: LanguageRegistration = {
  name: 'redis',
  scopeName: 'source.redis',
  repository: {},
  patterns: [
    { match: '^\\s*#.*$', name: 'comment.line.redis' },
    { match: '\\(error\\).*$', name: 'invalid.redis' },
    { match: '\\((?:nil|integer)\\)', name: 'comment.reply.redis' },
    { match: '^(?:OK|QUEUED|PONG)$', name: 'comment.reply.redis' },
    { match: '^\\s*(?:\\d+\\)\\s*)+', name: 'comment.reply.redis' },
    { match: '"(?:[^"\\\\]|\\\\.)*"', name: 'string.quoted.double.redis' },
    { match: "'(?:[^'\\\\]|\\\\.)*'", name: 'string.quoted.single.redis' },
    {
      match: '^\\s*((?:[\\w.-]+:\\d+(?:\\[\\d+\\])?)?>\\s+)?(redis-cli\\s+)?([A-Za-z][A-Za-z.]*)(?=\\s|$)',
      captures: {
        1: { name: 'comment.prompt.redis' },
        2: { name: 'comment.prompt.redis' },
        3: { name: 'keyword.command.redis' },
      },
    },
    { match: `\\b(?:${OPTIONS})\\b`, name: 'support.function.option.redis' },
    { match: '(?<=\\s)[>*$~=+-](?=\\s|$)', name: 'string.special.redis' },
    { match: '(?<=[\\s(])\\d+(?:-(?:\\d+|\\*))?(?=[\\s)]|$)', name: 'constant.numeric.redis' },
  ],
}
