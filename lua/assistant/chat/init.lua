--- Chat and explanations. One chat at a time; closing its buffer ends it, the next is a new one.
local actions = require('assistant.chat.actions')
local code = require('assistant.chat.code')
local completion = require('assistant.chat.completion')
local conversation = require('assistant.chat.conversation')
local mentions = require('assistant.chat.mentions')
local message = require('assistant.message')

local M = {}

---@type assistant.Conversation?
local current

---@class assistant.ChatRange
---@field first integer 1-based
---@field last integer 1-based

---@param chat assistant.Conversation
local function watch(chat)
  vim.api.nvim_create_autocmd({ 'BufUnload', 'BufWipeout' }, {
    buffer = chat.buffer.bufnr,
    callback = function()
      if current == chat then
        current = nil
      end
      chat:close()
    end,
  })
end

---@return assistant.Conversation
local function get()
  if not current or not current.buffer:is_valid() then
    current = conversation.new()
    actions.attach(current)
    completion.attach(current)
    watch(current)
  end
  return current
end

--- Lets the daemon come up, and index the project, while the person writes.
local function warm_up()
  require('assistant.daemon').start({ automatic = true })
  local bufnr = code.bufnr()
  if bufnr then
    require('assistant.document').attach(bufnr)
  end
end

---@param bufnr integer
---@return boolean
local function is_chat(bufnr)
  return vim.bo[bufnr].filetype == 'assistant-chat'
end

---@return string?
local function root()
  local uri = code.root_uri()
  return uri and vim.uri_to_fname(uri)
end

--- Opens or focuses the chat. A range attaches the lines, a question is sent at once.
---@param options { question: string?, range: assistant.ChatRange? }?
function M.open(options)
  options = options or {}
  local bufnr = vim.api.nvim_get_current_buf()
  local range = options.range
  if range and is_chat(bufnr) then
    range = nil
  end
  local question = vim.trim(options.question or '')
  local attachments = {}
  local written = range and mentions.write_range(bufnr, range.first, range.last, root())
  if range and not written then
    attachments = { mentions.selection(bufnr, range.first, range.last) }
  end
  warm_up()
  local chat = get()
  chat.buffer:show(true)
  if written then
    question = vim.trim(question .. ' ' .. written)
  end
  if question ~= '' and vim.trim(options.question or '') ~= '' then
    chat:ask({ question = question, attachments = attachments })
    return
  end
  if chat:is_running() then
    return
  end
  if written then
    -- On a line of its own, so that whatever is typed next does not touch it.
    chat:set_draft(vim.trim(chat:draft() .. ' ' .. written) .. '\n')
  end
  vim.list_extend(chat.pending, attachments)
  chat.buffer:to_end(0)
end

--- Returns a line that says what is explained.
---@param bufnr integer
---@param range assistant.ChatRange?
---@return string
local function title(bufnr, range)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(bufnr), ':t')
  name = name ~= '' and name or 'this buffer'
  if range then
    local written = mentions.write_range(bufnr, range.first, range.last, root())
    local place = written and written:gsub('^@file:', ''):gsub('\\ ', ' ')
    return ('Explain %s'):format(place or ('%s:%d-%d'):format(name, range.first, range.last))
  end
  local written = mentions.write_range(bufnr, row, row, root())
  if not written then
    -- Only in a file does the daemon look for the function.
    return 'Explain ' .. name
  end
  local place = written:match('^@file:(.*)%-%d+$'):gsub('\\ ', ' ')
  return ('Explain the code at %s'):format(place)
end

--- Explains the lines, or without a range the function at the cursor. The cursor stays.
---@param options { range: assistant.ChatRange? }?
function M.explain(options)
  local range = (options or {}).range
  local bufnr = vim.api.nvim_get_current_buf()
  if is_chat(bufnr) then
    message.info('go to a code window: the chat is no code to explain.')
    return
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local attachment = range and mentions.selection(bufnr, range.first, range.last)
    or mentions.function_at(bufnr, row, col)
  local question = title(bufnr, range)
  local chat = get()
  chat.buffer:show(false)
  chat:ask({
    question = question,
    content = '',
    action = 'explain',
    attachments = { attachment },
  })
end

--- Stops every answer that is being written.
function M.stop_all()
  if current then
    current:stop()
  end
end

return M
