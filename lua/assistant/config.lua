--- The options: one table declares type, default and description of each; the help is made from it.
--- Mirrors assistant/settings.py (a test compares), plus what concerns the editor only.
local M = {}

---@class assistant.SchemaEntry
---@field key string dotted path
---@field type string 'boolean'|'string'|'integer'|'list'|'flags'|'key', or several with '|'
---@field choices string[]? the strings that are allowed
---@field default any nil where the daemon chooses
---@field min integer?
---@field max integer?
---@field editor boolean? true where it never leaves the editor
---@field description string

local ENGINES = { 'auto', 'ollama', 'llamacpp', 'project' }
local TIERS =
  { 'auto', 'minimum', 'cpu', 'gpu4', 'recommended', 'gpu12', 'optimal', 'gpu24', 'apple' }
local POSITIONS = { 'right', 'left', 'below', 'above', 'tab', 'float' }
local LOG_LEVELS = { 'debug', 'info', 'warning', 'error' }

---@type assistant.SchemaEntry[]
M.schema = {
  {
    key = 'engine',
    type = 'string',
    choices = ENGINES,
    default = 'auto',
    description = 'Which engine runs the models.',
  },
  {
    key = 'ollama.host',
    type = 'string',
    description = 'Address of Ollama; default: OLLAMA_HOST, else 127.0.0.1:11434.',
  },
  {
    key = 'llamacpp.model_path',
    type = 'string',
    description = 'GGUF file for the embedded engine; default: the bundled model.',
  },
  {
    key = 'llamacpp.url',
    type = 'string',
    description = 'Address of a llama-server that already runs, instead of the embedded one.',
  },
  {
    key = 'allow_remote',
    type = 'boolean',
    default = false,
    description = 'Allow engines and models that are not on this machine.',
  },
  {
    key = 'tier',
    type = 'string',
    choices = TIERS,
    default = 'auto',
    description = 'Hardware tier; default: what the machine has.',
  },
  {
    key = 'completion.enabled',
    type = 'boolean',
    default = true,
    description = 'Suggest while typing.',
  },
  {
    key = 'completion.model',
    type = 'string',
    description = 'Model for completion; default: the best installed one that fills in the middle.',
  },
  {
    key = 'completion.debounce_ms',
    type = 'string|integer',
    choices = { 'auto' },
    default = 'auto',
    min = 0,
    description = 'Pause after a key before asking, in milliseconds.',
  },
  {
    key = 'completion.max_lines',
    type = 'integer',
    default = 12,
    min = 1,
    max = 200,
    description = 'Longest suggestion, in lines.',
  },
  {
    key = 'completion.context_tokens',
    type = 'string|integer',
    choices = { 'auto' },
    default = 'auto',
    min = 1,
    description = 'Most prompt tokens per completion.',
  },
  {
    key = 'completion.filetypes',
    type = 'flags',
    default = {},
    description = "Switches completion per filetype; '*' is the default.",
  },
  {
    key = 'completion.exclude',
    type = 'list',
    default = {},
    description = 'Path globs in which nothing is suggested.',
  },
  {
    key = 'chat.model',
    type = 'string',
    description = 'Model for chat and explanations; default: the best installed one that chats.',
  },
  {
    key = 'chat.position',
    type = 'string',
    choices = POSITIONS,
    default = 'right',
    description = 'Where the chat opens.',
  },
  {
    key = 'chat.width',
    type = 'integer',
    default = 80,
    min = 20,
    max = 400,
    description = 'Width of the chat split, in columns.',
  },
  {
    key = 'chat.history',
    type = 'boolean',
    default = true,
    description = 'Keep chats on disk; has no effect yet.',
  },
  {
    key = 'chat.retrieve',
    type = 'boolean',
    default = true,
    description = "Look up the project's own code for each question.",
  },
  {
    key = 'edit.model',
    type = 'string',
    description = 'Model for edits; has no effect yet.',
  },
  {
    key = 'index.auto',
    type = 'boolean',
    default = true,
    description = 'Index a project when one of its files is opened.',
  },
  {
    key = 'index.embedder',
    type = 'string',
    default = 'auto',
    description = "'auto' (bundled), 'st:NAME_OR_DIR' or 'ollama:NAME'.",
  },
  {
    key = 'index.exclude',
    type = 'list',
    default = {},
    description = 'Path globs that are never indexed.',
  },
  {
    key = 'index.chroma_url',
    type = 'string',
    description = 'Address of a Chroma server of your own, instead of the embedded one.',
  },
  {
    key = 'keymaps.accept',
    type = 'key',
    default = '<Tab>',
    editor = true,
    description = 'Accepts the suggestion.',
  },
  {
    key = 'keymaps.accept_line',
    type = 'key',
    default = '<M-l>',
    editor = true,
    description = 'Accepts the next line of the suggestion.',
  },
  {
    key = 'keymaps.accept_word',
    type = 'key',
    default = '<M-w>',
    editor = true,
    description = 'Accepts the next word of the suggestion.',
  },
  {
    key = 'keymaps.next',
    type = 'key',
    default = '<M-]>',
    editor = true,
    description = 'Shows the next suggestion, asking for more where there is only one.',
  },
  {
    key = 'keymaps.prev',
    type = 'key',
    default = '<M-[>',
    editor = true,
    description = 'Shows the previous suggestion.',
  },
  {
    key = 'keymaps.dismiss',
    type = 'key',
    default = '<C-]>',
    editor = true,
    description = 'Dismisses the suggestion.',
  },
  {
    key = 'keymaps.complete',
    type = 'key',
    default = '<M-\\>',
    editor = true,
    description = 'Asks for a suggestion now; the only key that is mapped at all times.',
  },
  {
    key = 'command_prefix',
    type = 'string',
    default = 'AI',
    editor = true,
    description = 'What every command starts with; a capital letter first.',
  },
  {
    key = 'python',
    type = 'string',
    editor = true,
    description = "Python of the plugin's environment; default: the one that :AIInstall made.",
  },
  {
    key = 'log_level',
    type = 'string',
    choices = LOG_LEVELS,
    default = 'info',
    editor = true,
    description = "Detail of the editor's log.",
  },
}

---@type table<string, assistant.SchemaEntry>
local by_key = {}
for _, entry in ipairs(M.schema) do
  by_key[entry.key] = entry
end

local checks = {
  boolean = function(value)
    return type(value) == 'boolean'
  end,
  string = function(value, entry)
    return type(value) == 'string'
      and (entry.choices == nil or vim.tbl_contains(entry.choices, value))
  end,
  integer = function(value, entry)
    return type(value) == 'number'
      and value % 1 == 0
      and value >= (entry.min or value)
      and value <= (entry.max or value)
  end,
  key = function(value)
    return value == false or (type(value) == 'string' and value ~= '')
  end,
  list = function(value)
    return type(value) == 'table'
      and require('assistant.compat').is_list(value)
      and #vim.tbl_filter(function(item)
          return type(item) ~= 'string'
        end, value)
        == 0
  end,
  flags = function(value)
    if type(value) ~= 'table' then
      return false
    end
    for name, flag in pairs(value) do
      if type(name) ~= 'string' or type(flag) ~= 'boolean' then
        return false
      end
    end
    return true
  end,
}

---@param entry assistant.SchemaEntry
---@return string
local function expected(entry)
  if entry.key == 'command_prefix' then
    return 'letters and digits, a capital letter first'
  end
  local words = {}
  for kind in entry.type:gmatch('[^|]+') do
    if kind == 'string' and entry.choices then
      table.insert(words, "'" .. table.concat(entry.choices, "', '") .. "'")
    elseif kind == 'integer' and entry.min then
      local top = entry.max and (' to ' .. entry.max) or ' or more'
      table.insert(words, ('a whole number, %d%s'):format(entry.min, top))
    else
      local names = {
        key = 'a key or false',
        list = 'a list of strings',
        flags = 'a table of filetype = true or false',
      }
      table.insert(words, names[kind] or ('a ' .. kind))
    end
  end
  return table.concat(words, ' or ')
end

---@param entry assistant.SchemaEntry
---@param value any
---@return boolean
local function is_valid(entry, value)
  if entry.key == 'command_prefix' then
    return type(value) == 'string' and value:match('^%u%w*$') ~= nil
  end
  if entry.key == 'index.embedder' then
    return type(value) == 'string'
      and (value == 'auto' or value:match('^st:.') ~= nil or value:match('^ollama:.') ~= nil)
  end
  for kind in entry.type:gmatch('[^|]+') do
    if checks[kind](value, entry) then
      return true
    end
  end
  return false
end

---@param tree table
---@param key string
---@param value any
local function set(tree, key, value)
  local parents = vim.split(key, '.', { plain = true })
  local last = table.remove(parents)
  for _, part in ipairs(parents) do
    tree[part] = tree[part] or {}
    tree = tree[part]
  end
  tree[last] = value
end

--- Whether `name` is a section, as 'completion' is.
---@param name string
---@return boolean
local function is_section(name)
  for key in pairs(by_key) do
    if vim.startswith(key, name .. '.') then
      return true
    end
  end
  return false
end

--- Puts the valid options of `given` into `chosen` by dotted key; a bad one is named and left out.
---@param given any
---@param prefix string
---@param chosen table<string, any>
---@param warnings string[]
local function collect(given, prefix, chosen, warnings)
  if type(given) ~= 'table' then
    local name = prefix == '' and 'the options' or ("option '%s'"):format(prefix:sub(1, -2))
    table.insert(warnings, name .. ' must be a table; ignored')
    return
  end
  for name, value in pairs(given) do
    local key = prefix .. tostring(name)
    local entry = by_key[key]
    if entry and is_valid(entry, value) then
      chosen[key] = value
    elseif entry then
      local text = "option '%s' must be %s; the default is used"
      table.insert(warnings, text:format(key, expected(entry)))
    elseif is_section(key) then
      collect(value, key .. '.', chosen, warnings)
    else
      table.insert(warnings, ("unknown option '%s'; ignored"):format(key))
    end
  end
end

---@type table<string, any> what the person set, by dotted key
local chosen = {}
---@type table?
local built
---@type table?
local setup_options

local function build()
  local warnings = {}
  chosen = {}
  if vim.g.assistant ~= nil then
    collect(vim.g.assistant, '', chosen, warnings)
  end
  if setup_options ~= nil then
    collect(setup_options, '', chosen, warnings)
  end
  built = {}
  for _, entry in ipairs(M.schema) do
    local value = chosen[entry.key]
    if value == nil then
      value = vim.deepcopy(entry.default)
    end
    if value ~= nil then
      set(built, entry.key, value)
    elseif entry.key:find('.', 1, true) then
      local section = entry.key:match('^[^.]+')
      built[section] = built[section] or {}
    end
  end
  if #warnings > 0 then
    table.sort(warnings)
    -- One message however many mistakes, so that start-up never asks for ENTER twice.
    require('assistant.message').warn(table.concat(warnings, '; '))
  end
end

--- Returns the options in force: every key of the schema that has a value.
---@return table
function M.get()
  if not built then
    build()
  end
  return built --[[@as table]]
end

--- Takes the options of `setup()`, over those of `vim.g.assistant`, and warns once of mistakes.
---@param options table?
function M.setup(options)
  setup_options = options
  build()
  require('assistant.log').set_level(M.get().log_level)
end

--- Returns what the person set and the daemon may know, for `initializationOptions`.
---@return table
function M.daemon_options()
  M.get()
  local tree = vim.empty_dict()
  for key, value in pairs(chosen) do
    local entry = by_key[key]
    if not entry.editor then
      -- An empty Lua table would travel as a list.
      local is_empty_map = entry.type == 'flags' and vim.tbl_isempty(value)
      set(tree, key, is_empty_map and vim.empty_dict() or value)
    end
  end
  return tree
end

return M
