--- Names and codes of the wire, as in assistant/protocol.py and assistant/errors.py (a test compares).
local M = {}

M.PLUGIN_VERSION = '0.1.0'
M.PROTOCOL_VERSION = 1
M.MAX_LINE_BYTES = 8 * 1024 * 1024
M.MAX_DOCUMENT_BYTES = 1024 * 1024

M.INITIALIZE = 'initialize'
M.INITIALIZED = 'initialized'
M.SHUTDOWN = 'shutdown'
M.EXIT = 'exit'
M.DID_OPEN = 'textDocument/didOpen'
M.DID_CHANGE = 'textDocument/didChange'
M.DID_SAVE = 'textDocument/didSave'
M.DID_CLOSE = 'textDocument/didClose'
M.DID_CHANGE_CONFIGURATION = 'workspace/didChangeConfiguration'
M.INLINE_COMPLETION = 'textDocument/inlineCompletion'
M.PROGRESS = '$/progress'
M.CANCEL_REQUEST = '$/cancelRequest'
M.DID_SHOW = 'assistant/didShow'
M.DID_ACCEPT = 'assistant/didAccept'
M.DID_DISMISS = 'assistant/didDismiss'
M.CHAT = 'assistant/chat'
M.CONTEXT = 'assistant/context'
M.INDEX = 'assistant/index'
M.INDEX_STATUS = 'assistant/indexStatus'
M.CLEAR_INDEX = 'assistant/clearIndex'
M.SEARCH = 'assistant/search'
M.MODELS = 'assistant/models'
M.SET_MODEL = 'assistant/setModel'
M.STATUS = 'assistant/status'
M.STOP = 'assistant/stop'
M.SHOW_MESSAGE = 'window/showMessage'
M.LOG_MESSAGE = 'window/logMessage'

---@enum assistant.Code
M.code = {
  CANCELLED = -32800,
  CONTENT_MODIFIED = -32801,
  SUPERSEDED = -32802,
  REQUEST_FAILED = -32803,
  PROTOCOL_VERSION = 1006,
}

return M
