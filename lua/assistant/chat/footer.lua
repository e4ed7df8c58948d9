--- What stands below an answer: error, sources, what was left out, tokens, the next heading. Pure.
local sources = require('assistant.chat.sources')

local M = {}

M.USER = '# You'
M.SOURCES = 'Sources:'

---@param result table
---@return string
local function meter(result)
  local tokens = result.tokens or {}
  local parts = {}
  if (tokens.limit or 0) > 0 then
    local used = (tokens.prompt or 0) + (tokens.answer or 0)
    table.insert(parts, ('%d / %d tokens'):format(used, tokens.limit))
  end
  if result.model then
    table.insert(parts, result.model)
  end
  return table.concat(parts, ' · ')
end

---@class assistant.ChatEnd
---@field error assistant.Error?
---@field result table?
---@field problems string[]
---@field draft string?

--- Returns the lines below an answer: error, sources, what was left out, tokens, the next heading.
---@param ended assistant.ChatEnd
---@param is_stopped boolean
---@return { text: string, group: string? }[]
function M.lines(ended, is_stopped)
  local err, result = ended.error, ended.result or {}
  local lines = {}
  local function add(text, group)
    table.insert(lines, { text = (text:gsub('%s*\n%s*', ' ')), group = group })
  end
  if is_stopped or err then
    add('')
  end
  if is_stopped then
    add('Stopped.', 'AssistantChatState')
  elseif err then
    local text = vim.trim(err.message):gsub('([^.!?:])$', '%1.')
    local hint = (err.data or {}).hint or ''
    add(vim.trim(('Error: %s %s'):format(text, hint)), 'AssistantChatError')
  end
  if #(result.sources or {}) > 0 then
    add('')
    add(M.SOURCES, 'AssistantChatState')
    for _, source in ipairs(result.sources) do
      add(sources.format(source), 'AssistantChatSource')
    end
  end
  local dropped = vim.list_extend(vim.deepcopy(ended.problems), result.dropped or {})
  local tokens = meter(result)
  if #dropped > 0 or tokens ~= '' then
    add('')
  end
  for _, what in ipairs(dropped) do
    add('Left out: ' .. what, 'AssistantChatError')
  end
  if tokens ~= '' then
    add(tokens, 'AssistantChatMeter')
  end
  add('')
  add(M.USER, 'AssistantChatUser')
  add('')
  for _, line in ipairs(vim.split(ended.draft or '', '\n', { plain = true })) do
    add(line)
  end
  return lines
end

return M
