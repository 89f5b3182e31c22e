export type { AnswerBody, AnswerEntry, AnswerState, AnswerSummary, FailureCode, Source, Usage } from './entry.ts'
export { GenerateError, type GenerateEvent, type GenerateRequest, type LanguageModel } from './generate.ts'
export type {
  AnswerInfo,
  AskRequest,
  FollowBatch,
  QuestionsInfo,
  Relay,
  RelayErrorCode,
  RelayOptions,
} from './relay.ts'
