---@meta
--- Shapes that more than one module shares. No code.

---@class assistant.Error
---@field code integer
---@field message string
---@field data { hint: string?, retryable: boolean? }?

---@class assistant.RequestOptions
---@field on_progress fun(value: table)? called for each `$/progress` of this request
---@field token_key string? where the progress token goes, default 'partialResultToken'
---@field timeout_ms integer?

---@class assistant.RequestHandle
---@field id integer
---@field cancel fun() answers the callback with -32800 at once

---@class assistant.Position
---@field line integer 0-based
---@field character integer 0-based UTF-8 byte column

---@class assistant.Range
---@field start assistant.Position
---@field end assistant.Position end-exclusive

---@class assistant.CompletionItem
---@field id string
---@field insertText string
---@field range assistant.Range

---@class assistant.DocumentId
---@field uri string
---@field version integer

---@class assistant.DaemonState
---@field state 'off'|'connecting'|'ready'|'failed'
---@field error assistant.Error?
---@field server table? the result of `initialize`

--- What a person may write, all of it optional; see `assistant.config`.
---@class assistant.Options
---@field engine ('auto'|'ollama'|'llamacpp'|'project')?
---@field ollama { host: string? }?
---@field llamacpp { model_path: string?, url: string? }?
---@field allow_remote boolean?
---@field tier string?
---@field completion assistant.CompletionOptions?
---@field chat table?
---@field edit { model: string? }?
---@field index table?
---@field keymaps table<string, string|false>?
---@field command_prefix string?
---@field python string?
---@field log_level ('debug'|'info'|'warning'|'error')?

---@class assistant.CompletionOptions
---@field enabled boolean?
---@field model string?
---@field debounce_ms ('auto'|integer)?
---@field max_lines integer?
---@field context_tokens ('auto'|integer)?
---@field filetypes table<string, boolean>?
---@field exclude string[]?
